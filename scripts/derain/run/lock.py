"""Allows one run per folder. A killed run blocks nothing: the operating system releases its lock with its process.

Snakemake's own lock is a file that outlives its process, so the user would have to find out whether that process is
still alive. The package filelock is not used, because its flock is always exclusive and `running` needs a shared one:
two processes that only look must not take each other for a run.
"""

import atexit
import fcntl
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import IO
from uuid import uuid4

from derain.engine import LOCKS, LOGS, RUN
from derain.engine.logs import slurm_run_ids
from derain.errors import UserError, shown
from derain.files.regular import open_regular
from derain.run.left_jobs import RUN_ID_VARIABLE, in_the_queue, orphans


def lock(folder: Path) -> IO[str]:
    """Lock Snakemake's folder (.snakemake) until the process ends or the returned file is closed.

    Removes locks of Snakemake that a killed run left behind. Raises UserError if another run is alive, or if jobs of an
    earlier run are still alive here or in Slurm's queue, because they would write the same files. On a file system
    without flock only Snakemake's own lock protects the folder.
    """
    folder.mkdir(exist_ok=True)
    path = folder / RUN
    if os.path.lexists(path):
        try:
            open_regular(path, links=False).close()  # through a link, another file would be truncated
        except ValueError:
            raise UserError(f"{path}: is no regular file; delete it and run again") from None
    file = path.open("a+", encoding="utf-8", errors="replace")
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.2)  # `running` may hold its shared lock
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner, _ = _last_owner(file)
        raise UserError(
            f"snakemake runs in this folder already ({owner}); wait for it or end it (a dry run, -n, works)"
        ) from None
    except OSError:
        return file
    killed = any((folder / LOCKS).glob("*"))
    if jobs := in_the_queue(slurm_run_ids(folder / LOGS), must_answer=killed):
        raise UserError(
            f"an earlier run left jobs in the queue of Slurm; wait for them or end them: scancel {' '.join(jobs)}"
        )
    if killed:
        owner, run_id = _last_owner(file)
        if pids := orphans(run_id):
            raise UserError(
                f"a killed run ({owner}) left running jobs; wait for them or end them: kill {' '.join(pids)}"
            )
        print(f"notice: a run here was killed ({owner}); this one goes on where it stopped", file=sys.stderr)
        shutil.rmtree(folder / LOCKS)
    atexit.register(_leave_a_folder, (folder / LOCKS).absolute())
    os.environ[RUN_ID_VARIABLE] = uuid4().hex
    file.truncate(0)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    file.write(f"process {os.getpid()} on {socket.gethostname()} since {since}\n{os.environ[RUN_ID_VARIABLE]}\n")
    file.flush()
    return file


def _leave_a_folder(locks: Path) -> None:
    """Create the folder of Snakemake's locks again.

    Snakemake deletes it at its end, but cannot plan without it, even for users who may not create it.
    """
    with suppress(OSError):
        locks.mkdir(exist_ok=True)


def running(folder: Path) -> str | None:
    """Return a description of the process that runs in Snakemake's folder, or None.

    On a file system without flock: the process that ran last.
    """
    try:
        file = TextIOWrapper(open_regular(folder / RUN), encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _last_owner(file)[0]
    return None


def _last_owner(file: IO[str]) -> tuple[str, str]:
    """Return a description of the process that locked the file last, and the id of its run."""
    file.seek(0)
    owner, run_id, *_ = [*file.read(1000).splitlines(), "", ""]
    return shown(owner) or "an unknown process", run_id


def write_where_free(looks: bool, folder: Path, write: Callable[[], object]) -> None:
    """Call write().

    A command that only looks (`looks`) calls it only if no run is active in Snakemake's folder, and ignores an OSError.
    """
    if not looks:
        write()
    elif running(folder) is None:
        with suppress(OSError):
            write()
