"""One run a folder. A killed run blocks nothing: the system drops its lock with its process, whatever killed it.

The engine's own lock is a file that outlives its owner, and asks a person whether that one is still alive.
"""

import fcntl
import os
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import IO
from uuid import uuid4

from derain.errors import UserError

# What the jobs of a run inherit, by which they are known after its end.
MARK = "DERAIN_RUN"


def lock(folder: Path) -> IO[str]:
    """Claim the engine's folder (.snakemake) until the process ends or the returned file is closed.

    Locks that a killed run left there are removed. Raises UserError where another run is alive, or where jobs of a
    killed one still work and would meet those of this run. A file system without locks leaves all to the engine.
    """
    folder.mkdir(exist_ok=True)
    file = (folder / "run").open("a+", encoding="utf-8")
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.2)  # `running` may have looked
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner, _ = _last_owner(file)
        raise UserError(
            f"snakemake runs in this folder already ({owner}); wait for it or end it (a dry run, -n, works)"
        ) from None
    except OSError:
        return file
    if any((folder / "locks").glob("*")):
        owner, mark = _last_owner(file)
        if pids := _heirs(mark):
            raise UserError(
                f"a killed run ({owner}) left jobs that still work; wait for them or end them: kill {' '.join(pids)}"
            )
        print(f"notice: a run here was killed ({owner}); this one goes on where it stopped", file=sys.stderr)
        shutil.rmtree(folder / "locks")
    os.environ[MARK] = uuid4().hex
    file.truncate(0)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    file.write(f"process {os.getpid()} on {socket.gethostname()} since {since}\n{os.environ[MARK]}\n")
    file.flush()
    return file


def running(folder: Path) -> str | None:
    """Who runs in the engine's folder, in words; None where nobody does. Without locks of the system: who ran last."""
    try:
        file = (folder / "run").open(encoding="utf-8")
    except FileNotFoundError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _last_owner(file)[0]
    return None


def _last_owner(file: IO[str]) -> tuple[str, str]:
    """Who locked last, in words, and its mark."""
    file.seek(0)
    owner, mark, *_ = [*file.read().splitlines(), "an unknown process", ""]
    return owner, mark


def _heirs(mark: str, patience: float = 2) -> list[str]:
    """Processes on this machine (where it has /proc) that a run with this mark has started, and that outlive it by
    `patience` seconds: those that were killed with it may take a moment.
    """
    end = time.monotonic() + patience
    while (found := _marked(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _marked(mark: str) -> list[str]:
    found: list[str] = []
    if not mark:
        return found
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}\0".encode() in environment.read_bytes():
                found.append(environment.parent.name)
        except OSError:  # it ended, or is somebody else's
            continue
    return found
