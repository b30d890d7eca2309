"""The table of a training as TensorBoard event files beside it, for `tensorboard --logdir results`."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def event_files(folder: Path, wanted: bool, spent: float) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """Within, a function that takes a row of the table: its columns become scalars at its step, its seconds the time.

    spent: seconds behind the rows of earlier attempts.

    Files of earlier attempts in the folder are removed, so whoever goes on tells again the rows that he knows: then no
    step is missing, and none is there twice. Where event files are not wanted, rows are passed over.
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
