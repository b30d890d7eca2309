"""Faults that the user can mend, told in one line and without a traceback."""

import errno
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

DISK_FULL = {errno.ENOSPC, errno.EDQUOT}

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
    """End the program at a UserError, or where disk or memory are full, with a line for each fault (see `tell`)."""
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
        if error.errno not in DISK_FULL:
            raise
        place = shown(str(error.filename or log or Path.cwd()))
        faults = [f"{place}: the disk is full ({error.strerror}); free some space and run again, nothing done is lost"]
    else:
        return
    tell("\n".join(f"error: {fault}" for fault in faults), log)
    sys.exit(1)
