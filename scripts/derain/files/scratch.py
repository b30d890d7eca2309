"""Copies of large files in a folder on a disk of this node (`local_scratch`).

A copy is `<folder>/derain-<key>/<name>`. It appears after it was checked, whole; `checked.json` beside it then holds
its stamp. A copy with another stamp is made again. Only one process of the node makes a copy; others wait for it.
"""

import fcntl
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from derain.errors import UserError, print_and_log, reason_of
from derain.files.atomic import replacing
from derain.files.cache import read_cache, write_cache
from derain.files.stamp import stamp

CHECKED = "checked.json"


def local_copy(file: Path, key: str, folder: str, check: Callable[[Path], None], log: str | None) -> Path:
    """The copy of a file, which is made if there is none; the file itself, and a line that tells why, if it cannot be
    made. The making of a copy is logged too.

    key: hex digits that decide the content; folder: of the copies, with environment variables that are read here;
    check: raises UserError if a file has other content; log: of the job, None for no log.
    """
    place = os.path.expandvars(folder)
    try:
        if "$" in place or not Path(place).is_absolute():
            raise ValueError("a variable is not set, or the path is not absolute")
        copy = Path(place) / f"derain-{key[:16]}" / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        checked = copy.with_name(CHECKED)
        with _locked(copy.with_name("lock")):
            if not copy.is_file() or read_cache(checked, key) != stamp(str(copy)):
                _make(file, copy, check)
                write_cache(checked, key, stamp(str(copy)))
                print_and_log(f"copied {file} to {copy}", log)
        return copy
    except (OSError, ValueError, UserError) as error:
        print_and_log(
            f"local_scratch: {place} on {socket.gethostname()}: {reason_of(error)}; this job reads {file}", log
        )
        return file


def _make(file: Path, copy: Path, check: Callable[[Path], None]) -> None:
    with replacing(copy) as partial:
        with file.open("rb") as source, partial.open("xb") as target:
            os.posix_fallocate(target.fileno(), 0, file.stat().st_size)  # a disk that is too small fails at once
            shutil.copyfileobj(source, target, 2**24)
            target.flush()
            os.fsync(target.fileno())
        check(partial)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = os.open(path, os.O_CREAT | os.O_RDONLY, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
