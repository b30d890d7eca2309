"""One run a folder. A killed run blocks nothing: the system drops its lock with its process, whatever killed it.

Snakemake's own lock is a file that outlives its process, and a person has to know whether that one is still alive.
By hand: filelock's flock is always exclusive; `running` needs a shared one: two observers are no run.
"""

import atexit
import fcntl
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import IO
from uuid import uuid4

import psutil

from derain.errors import UserError, shown
from derain.files.regular import open_regular
from derain.run.engine import LOCKS

# The jobs of a run inherit it, and are known by it after the run has ended.
RUN_ID_VARIABLE = "DERAIN_RUN"
SUFFIXES = {".bin", ".csv", ".html", ".json", ".npz", ".pdf", ".safetensors", ".svg", ".tex", ".tsv"}  # of results
MOST = 5  # faults of a kind that are told


def lock(folder: Path) -> IO[str]:
    """Claim Snakemake's folder (.snakemake) until the process ends or the returned file is closed.

    Removes Snakemake's locks that a killed run left there. Raises UserError if another run is alive, or if jobs of a
    killed one still work: they would write the same files. On a file system without locks only Snakemake's own count.
    """
    folder.mkdir(exist_ok=True)
    path = folder / "run"
    if os.path.lexists(path):
        try:
            open_regular(path, links=False).close()  # the file that a link leads to would be emptied
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
    if any((folder / LOCKS).glob("*")):
        owner, run_id = _last_owner(file)
        if pids := _orphans(run_id):
            raise UserError(
                f"a killed run ({owner}) left jobs that still work; wait for them or end them: kill {' '.join(pids)}"
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
    """The engine deletes this one at its end, and plans only where it is, also for users who may not make it."""
    with suppress(OSError):
        locks.mkdir(exist_ok=True)


def check_places(folders: Iterable[Path], to_write: bool) -> None:
    """Raise UserError where a folder is no folder, or may not be written by this user and is `to_write` or missing."""
    for folder in folders:
        if os.path.lexists(folder) and not folder.is_dir():
            raise UserError(f"{folder}: is no folder, or a link that leads nowhere; move it away")
        existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        if not os.access(existing, os.W_OK | os.X_OK):
            if to_write:
                raise UserError(f"{folder}: may not be written by this user; a plan, -n, works where somebody has run")
            if not folder.exists():
                raise UserError(f"{folder}: is missing, and may not be made by this user; who may, runs first")


def check_regular(folder: Path, folders: Collection[str]) -> None:
    """Raise UserError where something below a folder has the place of a file and is none: jobs that read a FIFO would
    wait for ever. folders: names that folders have although they end like those of files.
    """
    wrong = []
    for at, inner, files in os.walk(folder):
        wrong += [f"{at}/{name}" for name in inner if Path(name).suffix in SUFFIXES and name not in folders]
        paths = [f"{at}/{name}" for name in files]
        wrong += [path for path in paths if not Path(path).is_file() and os.path.lexists(path)]
    if wrong:
        more = [f"{len(wrong) - MOST} more below {folder} are no regular files"] if len(wrong) > MOST else []
        lines = [f"{shown(path)}: is no regular file; delete it and run again" for path in sorted(wrong)[:MOST]]
        raise UserError("\n".join([*lines, *more]))


def running(folder: Path) -> str | None:
    """The process that runs in Snakemake's folder, in words, or None. On a file system without locks: the last one."""
    try:
        file = TextIOWrapper(open_regular(folder / "run"), encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _last_owner(file)[0]
    return None


def _last_owner(file: IO[str]) -> tuple[str, str]:
    """The process that locked last, in words, and the id of its run."""
    file.seek(0)
    owner, run_id, *_ = [*file.read(1000).splitlines(), "", ""]
    return shown(owner) or "an unknown process", run_id


def _orphans(run_id: str, patience: float = 2) -> list[str]:
    """Ids of this machine's processes that a run has started and that outlive it by `patience` seconds: those that were
    killed with it may take a moment.
    """
    if not run_id:
        return []
    psutil.wait_procs(_started_by(run_id), timeout=patience)
    return [str(process.pid) for process in _started_by(run_id)]  # again: one that ended may have started others


def _started_by(run_id: str) -> list[psutil.Process]:
    """Processes that inherited the id of a run. The environment of other users' processes cannot be read."""
    return [
        process
        for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get(RUN_ID_VARIABLE) == run_id
    ]


def write_where_free(looks: bool, folder: Path, write: Callable[[], object]) -> None:
    """Call write(); for a command that only looks, only where no run is at work in the engine's folder, and where the
    file system lets it.
    """
    if not looks:
        write()
    elif running(folder) is None:
        with suppress(OSError):
            write()
