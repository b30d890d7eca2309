"""Faults that the user can mend, told in one line and without a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """What is wrong, where, and what was expected, in one line."""


def shown(name: str) -> str:
    """A file name on one line, whatever characters it holds."""
    return name if name.isprintable() else ascii(name)[1:-1]


@contextmanager
def exit_in_one_line(log: str | None = None) -> Iterator[None]:
    """End the program at a UserError with a line for each fault, on stderr and, for a job, at the end of its log."""
    try:
        yield
    except UserError as error:
        lines = "".join(f"error: {line}\n" for line in str(error).splitlines())
        if log is not None:
            with Path(log).open("a", encoding="utf-8") as file:
                file.write(lines)
        sys.exit(lines.rstrip())
