"""Atomic writes: a file appears whole or not at all, even if the process is killed or the machine stops.

Neither Python nor the project's dependencies have an atomic write that also flushes file and directory to the disk.
"""

import os
from pathlib import Path

Buffer = bytes | memoryview
PARTIAL = ".partial"  # suffix of a file that is being written


def write_whole(path: str | Path, *chunks: Buffer) -> None:
    """Write the chunks to `<path>.partial`, flush it to the disk, and rename it to `path`.

    A killed process may leave `<path>.partial`; the next writer replaces it. Raises OSError with the file name; the old
    file then stays as it was.
    """
    path = Path(path)
    partial = path.with_name(f"{path.name}{PARTIAL}")
    try:
        partial.unlink(missing_ok=True)  # it may be a link or a FIFO: never write into those
        with partial.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = error.filename or str(path)
        raise
    _sync(path.parent)


def _sync(directory: Path) -> None:
    """Flush a directory (its list of names) to the disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
