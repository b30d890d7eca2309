"""Checks of a run's folders before it begins: they may be written, and what should be a file is one."""

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from derain.errors import UserError, shown

# of results
SUFFIXES = {".bin", ".csv", ".html", ".jpg", ".json", ".npz", ".pdf", ".safetensors", ".svg", ".tex", ".tsv"}
MOST = 5  # faults that are reported


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
