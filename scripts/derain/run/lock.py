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
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import IO
from uuid import uuid4

import psutil

from derain.engine import LOCKS, LOGS, RUN
from derain.engine.logs import slurm_run_ids
from derain.errors import UserError, shown
from derain.files.regular import open_regular

# Environment variable with the id of the run. Its jobs inherit it, so they can be found after the run has ended.
RUN_ID_VARIABLE = "DERAIN_RUN"
SUFFIXES = {
    ".bin",
    ".csv",
    ".html",
    ".jpg",
    ".json",
    ".npz",
    ".pdf",
    ".safetensors",
    ".svg",
    ".tex",
    ".tsv",
}  # of results
MOST = 5  # faults that are reported


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
    if jobs := _in_the_queue(slurm_run_ids(folder / LOGS), must_answer=killed):
        raise UserError(
            f"an earlier run left jobs in the queue of Slurm; wait for them or end them: scancel {' '.join(jobs)}"
        )
    if killed:
        owner, run_id = _last_owner(file)
        if pids := _orphans(run_id):
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


def check_places(folders: Iterable[Path], to_write: bool) -> None:
    """Raise UserError if a path is no folder, or if it is not writable and either missing or needed (`to_write`)."""
    for folder in folders:
        if os.path.lexists(folder) and not folder.is_dir():
            raise UserError(f"{folder}: is no folder, or a link that leads nowhere; move it away")
        existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        if not os.access(existing, os.W_OK | os.X_OK):
            if to_write:
                raise UserError(f"{folder}: may not be written by this user; a dry run (-n) works if somebody ran here")
            if not folder.exists():
                raise UserError(f"{folder}: is missing, and this user may not create it; whoever may must run first")


def check_regular(folder: Path, folders: Collection[str], record: str) -> None:
    """Raise UserError if a path below `folder` that should be a regular file is something else.

    A job that reads a FIFO, for example, would wait forever. folders: names of folders that end like file names;
    record: name of a file in folders whose other contents have names of the user's own, and are left out.
    """
    wrong = []
    for at, inner, files in os.walk(folder):
        if record in files:
            inner.clear()
            files = [record]
        wrong += [f"{at}/{name}" for name in inner if Path(name).suffix in SUFFIXES and name not in folders]
        paths = [f"{at}/{name}" for name in files]
        wrong += [path for path in paths if not Path(path).is_file() and os.path.lexists(path)]
    if wrong:
        more = [f"{len(wrong) - MOST} more below {folder} are no regular files"] if len(wrong) > MOST else []
        lines = [f"{shown(path)}: is no regular file; delete it and run again" for path in sorted(wrong)[:MOST]]
        raise UserError("\n".join([*lines, *more]))


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


def _in_the_queue(names: Collection[str], must_answer: bool) -> list[str]:
    """Return the ids of this user's jobs that have one of the names and wait or run in Slurm.

    Raises UserError if Slurm does not answer but must (`must_answer`).
    """
    if not names or shutil.which("squeue") is None:
        return []
    command = ["squeue", "--me", "--noheader", "--format=%i", f"--name={','.join(names)}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if answer.returncode != 0 and must_answer:
        raise UserError(
            f"squeue fails, so jobs of a killed run may still run; try again later ({answer.stderr.strip()})"
        )
    return answer.stdout.split()


def _orphans(run_id: str, patience: float = 2) -> list[str]:
    """Return the ids of this machine's processes that a run started and that outlive it by `patience` seconds.

    Processes that were killed together with the run may need a moment to end.
    """
    if not run_id:
        return []
    psutil.wait_procs(_started_by(run_id), timeout=patience)
    return [
        str(process.pid) for process in _started_by(run_id)
    ]  # listed again: a process that ended may have started others


def _started_by(run_id: str) -> list[psutil.Process]:
    """Return the processes that inherited the id of a run, except other users' (their environment is hidden)."""
    return [
        process
        for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get(RUN_ID_VARIABLE) == run_id
    ]


def write_where_free(looks: bool, folder: Path, write: Callable[[], object]) -> None:
    """Call write().

    A command that only looks (`looks`) calls it only if no run is active in Snakemake's folder, and ignores an OSError.
    """
    if not looks:
        write()
    elif running(folder) is None:
        with suppress(OSError):
            write()
