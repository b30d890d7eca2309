"""Removal of files that earlier runs left in an output folder, so that all files in it belong to one run."""

from collections.abc import Iterable
from pathlib import Path

SHOWN = 3  # names
LEFT = "of another experiment or an earlier config; a `name:` would keep both"  # what these files are


def remove(folder: Path, patterns: Iterable[str], keep: Iterable[str] = ()) -> str:
    """Remove the files below a folder that match a pattern, except those in `keep`. Returns their names as `left` does.

    patterns: relative to the folder; keep: relative to the working directory.
    """
    found = _found(folder, patterns, keep)
    for file in found:
        file.unlink(missing_ok=True)
    return _names(folder, found)


def left(folder: Path, patterns: Iterable[str], keep: Iterable[str] = ()) -> str:
    """The names of the files that `remove` would remove as text for a line, "" if there are none."""
    return _names(folder, _found(folder, patterns, keep))


def _found(folder: Path, patterns: Iterable[str], keep: Iterable[str]) -> list[Path]:
    kept = {Path(file) for file in keep}
    found = [file for pattern in patterns for file in sorted(folder.glob(pattern)) if file not in kept]
    return list(dict.fromkeys(found))


def _names(folder: Path, files: list[Path]) -> str:
    more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    return f"{', '.join(str(file.relative_to(folder)) for file in files[:SHOWN])}{more}" if files else ""
