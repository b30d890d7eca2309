"""Which device a job computes on. Of several graphics cards each job takes a free one and keeps it until it ends.

The engine counts (`--resources gpu=2` runs two jobs that need one at a time) but does not tell a job which card is its
own. A lock of the system for each card does, and falls with the process, whatever ended it.
"""

import fcntl
import os
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from derain.errors import UserError


@cache  # a second lock would wait for the first
def devices_of(asked: str, processes: int) -> list[str]:
    """A device for each of the processes of a job, by rank, as torch calls it ("cpu", "cuda:<n>"); the same each time.

    asked: "cpu", "cuda", or "auto" for the best there is. The first call is to come before the processes are forked: it
    holds the devices until the last of them ends, and only counts CUDA devices. Raises UserError where there is no CUDA
    device, or too few.
    """
    if asked == "cpu":
        return ["cpu"] * processes
    import torch

    count = torch.cuda.device_count()
    if count:
        return [f"cuda:{number}" for number in take(visible(count, os.environ), processes)]
    if asked == "auto":
        return ["cpu"] * processes
    raise UserError(
        f"config: device: is cuda, but torch {torch.__version__} finds no CUDA device on {socket.gethostname()}; "
        "say cpu or auto, or run it where there is one (on a cluster: docs/clusters.md)"
    )


def visible(count: int, environment: Mapping[str, str]) -> list[str]:
    """A name for each of the `count` devices that torch sees, the same in all processes that see the same device.

    CUDA_VISIBLE_DEVICES says which ones these are. Those that Slurm gave to a job are the job's own, and may be
    numbered from 0 in each.
    """
    given = environment.get("CUDA_VISIBLE_DEVICES", "")
    names = [name.strip() for name in given.split(",")] if given else [str(number) for number in range(count)]
    owner = f"slurm{environment['SLURM_JOB_ID']}-" if "SLURM_JOB_ID" in environment else ""
    return [f"{owner}{name}" for name in names[:count]]


def take(names: Sequence[str], count: int = 1, folder: Path | None = None) -> list[int]:
    """Numbers of `count` of the named devices that no other process has taken; waits until there are so many.

    They stay taken until this process ends, and its children that did not start another program. folder: where the
    locks are, that of temporary files if none is given. Raises UserError where there are fewer devices.
    """
    if count > len(names):
        raise UserError(f"a job needs {count} devices, and there are {len(names)} ({', '.join(names)})")
    folder = folder or Path(tempfile.gettempdir())
    told = False
    while True:
        held = {number: lock for number, name in enumerate(names) if (lock := _lock(folder, name)) is not None}
        for number in list(held)[count:]:
            os.close(held.pop(number))
        if len(held) == count:
            return list(held)
        for lock in held.values():  # two jobs that need two each must not wait for one another
            os.close(lock)
        if not told:
            print(
                f"waiting: all devices ({', '.join(names)}) are taken; with --resources gpu={len(names)} "
                "no more jobs are started than there are devices",
                file=sys.stderr,
            )
            told = True
        time.sleep(1)


def _lock(folder: Path, name: str) -> int | None:
    """A file descriptor that holds the device until it is closed, at the latest by the end; None: it is taken.

    Other users of the machine lock the same file, which reading is enough for.
    """
    path = folder / f"derain-device-{name}.lock"
    with suppress(FileExistsError):
        made = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY)
        os.fchmod(made, 0o644)
        os.close(made)
    lock = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
