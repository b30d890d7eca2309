"""Faults that the user can mend, told in one line and without a traceback."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


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


@contextmanager
def exit_in_one_line(log: str | None = None) -> Iterator[None]:
    """End the program at a UserError, or where the disk is full, with a line for each fault (see `tell`)."""
    try:
        yield
    except UserError as error:
        faults = str(error).splitlines()
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        place = shown(str(error.filename or log or Path.cwd()))
        faults = [f"{place}: the disk is full ({error.strerror}); free some space and run again, nothing done is lost"]
    else:
        return
    tell("\n".join(f"error: {fault}" for fault in faults), log)
    sys.exit(1)
