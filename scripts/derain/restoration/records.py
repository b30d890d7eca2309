"""The record in an output folder: which of its files earlier calls have written, so that no others are replaced."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from derain.errors import DISK_FULL, UserError, reason_of, shown
from derain.files.digest import file_digest


class RecordError(UserError):
    """A record cannot be written, or is no file."""


def append(record: Path, line: Sequence[str]) -> None:
    """Add a line. Raises RecordError, or OSError with the file name if the disk is full."""
    try:
        with record.open("a", encoding="utf-8") as lines:
            lines.write(f"\n{json.dumps(line)}")  # on a line of its own, even if a kill has cut the last one
    except OSError as error:
        error.filename = error.filename or str(record)  # write() does not say where
        if error.errno in DISK_FULL:
            raise
        raise RecordError(f"{shown(str(record))}: {reason_of(error)}") from error


def lines_of(record: Path, length: int) -> Iterator[tuple[str, ...]]:
    """The lines, each of `length` texts, first to last. A line that a kill has cut is left out. Raises RecordError."""
    if os.path.lexists(record) and not record.is_file():  # writing into a FIFO would wait for ever
        raise RecordError(f"{shown(str(record))}: is there already and is no regular file")
    if record.is_file():
        for text in record.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, list) and len(line) == length and all(isinstance(each, str) for each in line):
                yield tuple(line)


def stands(file: Path, *digests: str) -> bool:
    """Whether a file is there as a call wrote it. digests: sha256 of what calls have written."""
    return file.is_file() and file_digest(file) in digests


def check_replaceable(file: Path, ours: bool, source: Path, command: str, overwrite: bool) -> None:
    """Raise UserError if a file is there and may not be replaced. ours: whether it `stands`; source: an input, which
    stays also if it is ours; command: whose option --overwrite is named; overwrite: whether it is given.
    """
    if os.path.lexists(file) and not file.is_file():
        raise UserError(f"{shown(str(file))}: is there already and is no regular file")
    if overwrite or not file.is_file():
        return
    if file.samefile(source):
        raise UserError(f"{shown(str(file))}: is the input itself; choose another folder")
    if not ours:
        raise UserError(
            f"{shown(str(file))}: is there already, and not as an earlier call wrote it; delete it, or use derain "
            f"{command} --overwrite"
        )
