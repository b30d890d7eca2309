"""Restores photographs into a folder and compares them: what the command `derain restore` and rule `restore` share."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from torch import nn

from derain.data.images import Pixels
from derain.errors import UserError, shown
from derain.restoration.files import Outcome, recorded, restoration, restore_files
from derain.restoration.photographs import COMPARED, RECORD, Photograph
from derain.restoration.pictures import read
from derain.restoration.records import stands

# Writes the page that compares photographs: (name, rainy, restored) of each, and the folder for it; returns the page.
Compare = Callable[[Iterator[tuple[str, Pixels, Pixels]], Path], Path]


def restore_into(
    out: Path,
    todo: Sequence[Photograph],
    network: nn.Module,
    memory: int,
    *,
    overwrite: bool = False,
    compare: Compare | None = None,
    recipe: object = None,
) -> tuple[Path | None, Outcome]:
    """Restore photographs into a folder that exists, and write the page that compares them.

    Returns the page, None without `compare`, and what was done. network: in evaluation mode; memory: limit of the
    process, bytes; recipe: as for `restoration`; overwrite and errors: as of `restore_files`. Raises UserError if an
    earlier call without `compare` has restored photographs into the folder of the page.
    """
    if compare:
        for place, (*_, written) in recorded(out / RECORD).items():
            if Path(place).parts[0] == COMPARED and stands(out / place, written):
                raise UserError(
                    f"{shown(str(out / place))}: is a photograph that an earlier call has restored, and would be among "
                    "the pictures of the comparison; compare in another output folder"
                )
    with _only_lines_of_python():
        outcome = restore_files(todo, out, restoration(network, todo, memory, recipe), overwrite)
        return compare(_pairs(todo, out), out / COMPARED) if compare else None, outcome


def remove_others(out: Path, todo: Sequence[Photograph]) -> list[Path]:
    """Remove what earlier calls have restored of other photographs than these, and folders that are then empty. A file
    that was changed since stays. Returns the places of the removed files, below the folder.
    """
    places = {str(each.place) for each in todo}
    removed = []
    for place, (*_, written) in recorded(out / RECORD).items():
        file = out / place
        if place not in places and stands(file, written):
            file.unlink()
            removed.append(Path(place))
            with suppress(OSError):  # not empty
                for folder in removed[-1].parents[:-1]:
                    (out / folder).rmdir()
    return removed


def _pairs(todo: Sequence[Photograph], out: Path) -> Iterator[tuple[str, Pixels, Pixels]]:
    """(name, rainy, restored) of the photographs that are restored."""
    for each in todo:
        with suppress(UserError, OSError):  # a fault of this call, or an earlier output of what is damaged now
            yield each.place.as_posix(), read(each.file).rgb, read(out / each.place).rgb


@contextmanager
def _only_lines_of_python() -> Iterator[None]:
    """Drop what C libraries write to stderr: those of TIFF and JPEG tell about damage without the name of the file,
    beside the line with the name. The stderr of Python stays what it is.
    """
    python, terminal = sys.stderr, os.dup(2)
    with open(terminal, "w", encoding=python.encoding, errors="backslashreplace", buffering=1) as own:  # noqa: PTH123 (a descriptor)
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123 (os.devnull is text)
            python.flush()
            os.dup2(nowhere.fileno(), 2)
        try:
            if python is sys.__stderr__:
                sys.stderr = own
            yield
        finally:
            sys.stderr = python
            os.dup2(terminal, 2)
