"""Files that appear whole or not at all, whatever stops the process or the machine.

By hand: Python and the libraries of the project have no atomic write that also flushes file and directory to the disk.
"""

import os
from pathlib import Path

Buffer = bytes | memoryview


def write_whole(path: str | Path, *chunks: Buffer) -> None:
    """Write a file, chunk after chunk, under another name, and rename it once it is on the disk.

    A kill may leave `<path>.partial`, which the next writer replaces. Raises OSError with the name of the file; the old
    file then remains.
    """
    path = Path(path)
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)  # a link or a FIFO is not to be written to
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
    """Flush the entries of a directory to the disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
