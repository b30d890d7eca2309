"""Reports the progress of a training: a progress bar on a terminal, log lines, and event files for TensorBoard."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from derain.training.tensorboard import event_files


class Step(Protocol):
    """A step for the log: its number (from 1), its loss terms, seconds so far."""

    @property
    def step(self) -> int: ...  # noqa: D102 (see the class)
    @property
    def terms(self) -> Mapping[str, float]: ...  # noqa: D102 (see the class)
    @property
    def seconds(self) -> float: ...  # noqa: D102 (see the class)


class Log:
    """The log of one training. file: the log of the job; title: of the bar and of log lines; total: steps of the
    training; done: steps of earlier attempts; events: whether to write event files (derain.training.tensorboard) to
    `folder`.
    """

    def __init__(self, file: Path, title: str, total: int, done: int, events: bool, folder: Path) -> None:
        self.file, self.title, self.total, self.done = file, title, total, done
        self.events, self.folder = events, folder

    @contextmanager
    def open(self, history: list[list[str]]) -> Iterator[None]:
        """Open the bar and the files for a context. history: the table's lines so far."""
        spent = float(history[-1][-1]) if history else 0.0
        shown = sys.stderr.isatty()
        with (
            self.file.open("a", encoding="utf-8") as self._lines,
            event_files(self.folder, self.events, spent) as self._to_events,
            tqdm(initial=self.done, total=self.total, desc=self.title, unit="step", disable=not shown) as self._bar,
        ):
            for texts in history[1:]:
                self._to_events(dict(zip(history[0], texts, strict=True)))
            yield

    def advance(self) -> None:
        """Advance the bar by one step."""
        self._bar.update()

    def add(self, progress: Step, row: Mapping[str, str]) -> None:
        """Write a row of the table as a log line, and to the event files."""
        self._to_events(row)
        terms = "  ".join(f"{name} {value:.4f}" for name, value in progress.terms.items())
        held_out = row["validation_psnr_rgb_db"]
        validation = f"  validation {float(held_out):.2f} dB" if held_out else ""
        speed = f"{float(row['images_per_second']):.0f} images/s"
        text = f"{terms}  psnr {float(row['psnr_rgb_db']):.2f} dB{validation}  {speed}"
        left = progress.seconds / progress.step * (self.total - progress.step)
        self._lines.write(f"{self.title}  step {progress.step}/{self.total}  {text}  {left:.0f} s left\n")
        self._lines.flush()
        self._bar.set_postfix_str(text)  # the bar itself shows steps and time left
