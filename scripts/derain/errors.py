"""Errors that the user can fix, printed as one line without a traceback."""

import errno
import gc
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
# Errors of the file system about a path: permissions, names, disks. They are not bugs of this program.
OF_PATHS = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EIO, errno.ESTALE),
}
ALMOST_NOTHING = 2**20  # bytes free

OF_A_KIND, AT_ALL = 5, 50  # lines that are shown
# In quotes, or words with a digit or one of / . [; other words are consumed at once, not letter by letter.
NAMES_AND_NUMBERS = re.compile(r"'[^']*'|\"[^\"]*\"|[^\s\d/.\[]*+[\d/.\[]\S*|(?P<kept>[^\s'\"]+)")
NO_MEMORY = ("out of memory", "can't allocate memory", "Storage size calculation overflowed")  # of torch


class UserError(Exception):
    """An error that the user can fix. The message has one line per fault: where, what is wrong, what was expected."""


class EachFaultError(UserError):
    """A UserError whose lines are all shown, however many: each is about a file that the user has to see to."""


def shown(name: str) -> str:
    """A file name on one line; unprintable characters, which could control the terminal, are escaped."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in name)


def reason_of(error: BaseException) -> str:
    """What an error says, on one line; its type where it says nothing. Messages of libraries may hold any character of
    a file.
    """
    return shown(" ".join(str(getattr(error, "strerror", None) or error).split())) or type(error).__name__


def is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Whether Python or torch has run out of memory."""
    return isinstance(error, MemoryError) or any(text in str(error) for text in NO_MEMORY)


def print_and_log(text: str, log: str | Path | None) -> None:
    """Print lines to stderr and, for a job, append them to its log."""
    print(text, file=sys.stderr)
    if log is not None:
        note(text, log)


def note(text: str, log: str | Path) -> None:
    """Append lines to the log of a job. Errors are ignored, because the disk may be full."""
    with suppress(OSError), Path(log).open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def few(faults: Sequence[str]) -> list[str]:
    """Shorten a list of faults. Of faults that differ only in names and numbers, the first OF_A_KIND are listed and the
    rest are counted; at most AT_ALL lines are returned.
    """
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
    """The fault with its names and numbers removed, in a time that is linear in its length."""
    return NAMES_AND_NUMBERS.sub(r"\g<kept>", fault)


@contextmanager
def exit_in_one_line(log: str | None = None) -> Iterator[None]:
    """Exit with status 1 and one line per fault (see `print_and_log`) at a UserError, on a full disk, at a file that
    becomes too large, when memory runs out, and where the file system refuses a path. Other exceptions pass through.
    """
    try:
        yield
    except UserError as error:
        faults = str(error).splitlines()
        if not isinstance(error, EachFaultError):
            faults = few(faults)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0]
        faults = [f"not enough memory ({reason or 'MemoryError'}); smaller batches, patches or networks need less"]
    except OSError as error:
        if error.errno in DISK_FULL:
            place = shown(str(error.filename)) if error.filename else _full_places()
            todo = "free some space and run again, nothing done is lost"
            faults = [f"{place}: the disk is full ({error.strerror}); {todo}"]
        elif error.errno == errno.EFBIG:
            place = shown(str(error.filename)) if error.filename else f"a file that was written in {Path.cwd()}"
            largest = "the file system (4 GB with FAT32) or the limit of the process (ulimit -f)"
            faults = [f"{place}: becomes larger than {largest} allows ({error.strerror})"]
        elif error.errno in OF_PATHS and error.filename:
            faults = [f"{shown(str(error.filename))}: {error.strerror}"]
        else:
            raise
    else:
        return
    print_and_log("\n".join(f"error: {shown(fault)}" for fault in faults), log)
    sys.exit(1)


@contextmanager
def as_job(log: str) -> Iterator[None]:
    """Do the work of a job's script, with errors as in `exit_in_one_line`.

    Garbage collection leaves out what the script has imported. In a job that imports torch this saves 0.2 s of CPU
    time, most of it at the end, when Python collects everything.
    """
    gc.freeze()
    with exit_in_one_line(log):
        yield


def _full_places() -> str:
    """The folders whose file systems are full, for errors that do not name the file."""
    places = [str(Path.cwd()), os.environ.get("TMPDIR", "/tmp"), "/dev/shm"]  # noqa: S108 (only looked at)
    full = []
    for place in places:
        with suppress(OSError):
            if shutil.disk_usage(place).free < ALMOST_NOTHING:
                full.append(place)
    return " and ".join(full) or f"{places[0]}, or a folder of temporary files"
