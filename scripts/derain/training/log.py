"""What a training tells: a line that moves on a terminal, plain lines in the log file, every logged step as CSV."""

import csv
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from torch import nn
from tqdm import tqdm

from derain.data.store import PackedPairs
from derain.evaluation.metrics import psnr
from derain.evaluation.restoring import restore
from derain.training.loop import Progress, Recipe
from derain.training.tensorboard import event_files


def follow(
    steps: Iterable[Progress],
    network: nn.Module,
    recipe: Recipe,
    validation: PackedPairs,
    table: Path,
    log: Path,
    title: str,
    log_every: int,
    validate_every: int,
    done: int,
    history: list[list[str]],
    tensorboard: bool = False,
) -> None:
    """Run a training (`steps`, an iterator of Progress) to its end.

    done, history: steps that earlier attempts took, and the lines of the table for them; it grows with the table.
    tensorboard: whether the table is also written as event files (derain.training.tensorboard).

    The table has a row a logged step: step, the loss terms one by one as they enter the sum, psnr_rgb_db of the
    batch, validation_psnr_rgb_db (mean over held-out training pairs; empty where not measured), learning_rate,
    images_per_second, seconds.
    """
    spent = float(history[-1][-1]) if history else 0.0
    with (
        table.open("w", newline="", encoding="utf-8") as file,
        log.open("a", encoding="utf-8") as lines,
        event_files(table.parent, tensorboard, spent) as to_events,
    ):
        bar = tqdm(steps, initial=done, total=recipe.steps, desc=title, unit="step", disable=not sys.stderr.isatty())
        rows = csv.writer(file, lineterminator="\n")
        rows.writerows(history)
        for texts in history[1:]:
            to_events(dict(zip(history[0], texts, strict=True)))
        for progress in bar:
            last = progress.step == recipe.steps
            validated = None
            if progress.step % validate_every == 0 or last:
                validated = validate(network, validation)
            if not (progress.step % log_every == 0 or last or progress.step == 1 or validated is not None):
                continue
            row = _row(progress, validated, recipe.batch)
            texts = [f"{value:.6g}" if isinstance(value, float) else str(value) for value in row.values()]
            new = [texts] if history else [list(row), texts]
            history += new
            rows.writerows(new)
            file.flush()
            to_events(dict(zip(row, texts, strict=True)))
            told = _told(progress, row)
            left = progress.seconds / progress.step * (recipe.steps - progress.step)
            lines.write(f"{title}  step {progress.step}/{recipe.steps}  {told}  {left:.0f} s left\n")
            lines.flush()
            bar.set_postfix_str(told)  # the bar itself tells steps and time left


def validate(network: nn.Module, pairs: PackedPairs) -> float:
    """Mean PSNR in RGB over pairs that are not trained on, dB; the network goes on training afterwards."""
    restored = [(restore(network, rainy), clean) for rainy, clean in pairs]
    return float(np.mean([psnr(a.astype(float), b.astype(float)) for a, b in restored if b is not None]))


def _row(progress: Progress, validated: float | None, batch: int) -> dict[str, float | int | str]:
    return {
        "step": progress.step,
        **progress.terms,
        "psnr_rgb_db": progress.psnr_rgb_db,
        "validation_psnr_rgb_db": "" if validated is None else validated,
        "learning_rate": progress.learning_rate,
        "images_per_second": progress.step * batch / max(progress.seconds, 1e-9),
        "seconds": progress.seconds,
    }


def _told(progress: Progress, row: dict[str, float | int | str]) -> str:
    terms = "  ".join(f"{name} {value:.4f}" for name, value in progress.terms.items())
    held_out = row["validation_psnr_rgb_db"]
    validation = f"  validation {held_out:.2f} dB" if held_out != "" else ""
    return f"{terms}  psnr {progress.psnr_rgb_db:.2f} dB{validation}  {row['images_per_second']:.0f} images/s"
