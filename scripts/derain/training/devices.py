"""Selects the device of a job. If there are several GPUs, each job takes a free one and holds it until the job ends.

Snakemake limits the number of jobs (`--resources gpu=2` runs two one-GPU jobs at a time) but assigns no GPU to a job. A
file lock for each GPU does. The operating system releases it when the process ends, for whatever reason.
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


@cache  # a second call would wait for the lock of the first
def devices_of(asked: str, processes: int) -> list[str]:
    """A device for each process of a job, by rank, as torch names it ("cpu", "cuda:<n>"); the same at every call.

    asked: "cpu", "cuda", or "auto": CUDA if there is a device. The first call must come before the processes are
    forked: it locks the devices until the last of the processes ends. It does no more with CUDA than count devices.
    Raises UserError if there is no CUDA device, or too few.
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
        "say cpu or auto, or run it where there is one (on a cluster: docs/how-to/slurm.md)"
    )


def visible(count: int, environment: Mapping[str, str]) -> list[str]:
    """A name for each of the `count` devices that torch sees. A device has the same name in all processes that see it.

    CUDA_VISIBLE_DEVICES lists these devices. Under Slurm the names contain the job ID: the devices belong to the job
    alone, and every job may number its devices from 0.
    """
    given = environment.get("CUDA_VISIBLE_DEVICES", "")
    names = [name.strip() for name in given.split(",")] if given else [str(number) for number in range(count)]
    owner = f"slurm{environment['SLURM_JOB_ID']}-" if "SLURM_JOB_ID" in environment else ""
    return [f"{owner}{name}" for name in names[:count]]


def take(names: Sequence[str], count: int = 1, folder: Path | None = None) -> list[int]:
    """Lock `count` of the named devices and return their indices; wait until that many are free.

    The devices stay locked until this process ends and its children, except those that executed another program.
    folder: the folder of the lock files, by default that of temporary files. Raises UserError if there are fewer
    devices.
    """
    if count > len(names):
        raise UserError(f"a job needs {count} devices, and there are {len(names)} ({', '.join(names)})")
    folder = folder or Path(tempfile.gettempdir())
    reported = False
    while True:
        held = {number: lock for number, name in enumerate(names) if (lock := _lock(folder, name)) is not None}
        for number in list(held)[count:]:
            os.close(held.pop(number))
        if len(held) == count:
            return list(held)
        for lock in held.values():  # else two jobs that need two each could wait for each other
            os.close(lock)
        if not reported:
            print(
                f"waiting: all devices ({', '.join(names)}) are taken; with --resources gpu={len(names)} "
                "no more jobs are started than there are devices",
                file=sys.stderr,
            )
            reported = True
        time.sleep(1)


def _lock(folder: Path, name: str) -> int | None:
    """Lock a device. Returns the file descriptor, which holds the lock until it is closed; None if the device is taken.

    Other users of the machine lock the same file; permission to read it is enough.
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
