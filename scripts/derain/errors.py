"""Faults that the user can mend, told in one line and without a traceback."""

import errno
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
# What a file system says of a path: a matter of rights, names and disks, not of this program.
OF_PATHS = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EIO, errno.ESTALE),
}
ALMOST_NOTHING = 2**20  # bytes free

OF_A_KIND, AT_ALL = 5, 50  # lines that are shown
NO_MEMORY = ("out of memory", "can't allocate memory", "Storage size calculation overflowed")  # of torch


class UserError(Exception):
    """What is wrong, where, and what was expected, in one line."""


def shown(name: str) -> str:
    """A file name on one line, whatever characters it holds."""
    return name if name.isprintable() else ascii(name)[1:-1]


def tell(text: str, log: str | Path | None) -> None:
    """Lines for a person: on stderr and, for a job, at the end of its log."""
    print(text, file=sys.stderr)
    if log is not None:
        note(text, log)


def note(text: str, log: str | Path) -> None:
    """Lines at the end of the log of a job; none where they cannot be written: the disk may be full."""
    with suppress(OSError), Path(log).open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def few(faults: Sequence[str]) -> list[str]:
    """Faults that differ in names and numbers only as a few of them and their count."""
    count = Counter(map(_kind, faults))
    seen: Counter[str] = Counter()
    lines = []
    for fault in faults:
        kind = _kind(fault)
        seen[kind] += 1
        if seen[kind] <= OF_A_KIND or count[kind] == OF_A_KIND + 1:
            lines.append(fault)
        elif seen[kind] == count[kind]:
            lines.append(f"… and {count[kind] - OF_A_KIND:,} more like these")
    if len(lines) > AT_ALL:
        lines[AT_ALL - 1 :] = [f"… and {len(faults) - AT_ALL + 1:,} more, some of other kinds"]
    return lines


def _kind(fault: str) -> str:
    """A fault without what names and numbers are in it."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\S*[\d/.\[]\S*", "", fault)


@contextmanager
def exit_in_one_line(log: str | None = None) -> Iterator[None]:
    """End the program with a line for each fault (see `tell`) at a UserError, where disk or memory are full, and where
    the file system refuses a path.
    """
    try:
        yield
    except UserError as error:
        faults = few(str(error).splitlines())
    except (MemoryError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        if not isinstance(error, MemoryError) and not any(text in reason for text in NO_MEMORY):
            raise
        faults = [
            f"the memory is not enough ({reason or 'MemoryError'}); smaller batches, patches or networks need less"
        ]
    except OSError as error:
        if error.errno in DISK_FULL:
            place = shown(str(error.filename)) if error.filename else _full_places()
            todo = "free some space and run again, nothing done is lost"
            faults = [f"{place}: the disk is full ({error.strerror}); {todo}"]
        elif error.errno in OF_PATHS and error.filename:
            faults = [f"{shown(str(error.filename))}: {error.strerror}"]
        else:
            raise
    else:
        return
    tell("\n".join(f"error: {fault}" for fault in faults), log)
    sys.exit(1)


def _full_places() -> str:
    """The folders whose file systems have nothing left: where an error does not tell which file was written."""
    places = [str(Path.cwd()), os.environ.get("TMPDIR", "/tmp"), "/dev/shm"]  # noqa: S108
    full = []
    for place in places:
        with suppress(OSError):
            if shutil.disk_usage(place).free < ALMOST_NOTHING:
                full.append(place)
    return " and ".join(full) or f"{places[0]}, or a folder of temporary files"
