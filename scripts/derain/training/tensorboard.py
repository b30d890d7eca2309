"""Writes the table of a training as TensorBoard event files beside it, for `tensorboard --logdir results`."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def event_files(folder: Path, wanted: bool, spent: float) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """Yield a function that writes a row of the table: its columns become scalars at its step, its seconds the time.

    wanted: whether to write event files; else the function does nothing; spent: seconds of earlier attempts.

    Event files of earlier attempts in the folder are deleted. So the caller must write the earlier rows again; then no
    step is missing or present twice.
    """
    for earlier in folder.glob("events.out.tfevents.*"):
        earlier.unlink()
    if not wanted:
        yield lambda row: None
        return
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        began = time.time() - spent

        def add(row: Mapping[str, str]) -> None:
            values = {name: value for name, value in row.items() if name not in ("step", "seconds") and value}
            for name, value in values.items():
                writer.add_scalar(name, float(value), int(row["step"]), walltime=began + float(row["seconds"]))
            writer.flush()

        yield add
