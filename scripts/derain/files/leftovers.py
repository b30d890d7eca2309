"""Removal of files that earlier runs left in an output folder, so that all files in it belong to one run."""

from collections.abc import Iterable
from pathlib import Path

SHOWN = 3  # names


def remove(folder: Path, patterns: Iterable[str], keep: Iterable[str] = ()) -> str:
    """Remove the files below a folder that match a pattern, except those in `keep`.

    patterns: relative to the folder; keep: relative to the working directory. Returns the removed names as text for a
    log line, "" if there are none.
    """
    kept = {Path(file) for file in keep}
    found = [file for pattern in patterns for file in sorted(folder.glob(pattern)) if file not in kept]
    removed = list(dict.fromkeys(found))
    for file in removed:
        file.unlink(missing_ok=True)
    more = f" and {len(removed) - SHOWN} more" if len(removed) > SHOWN else ""
    return f"{', '.join(str(file.relative_to(folder)) for file in removed[:SHOWN])}{more}" if removed else ""
