"""Files that appear whole or not at all, whatever stops the process or the machine."""

import os
from pathlib import Path

Buffer = bytes | memoryview


def write_whole(path: str | Path, *parts: Buffer) -> None:
    """Write a file, part after part, under another name, and give it its own once it is on the disk.

    At a kill, `<path>.partial` may remain, which the next writer of the path replaces. Raises OSError with the name
    of the file, and leaves what was there before.
    """
    path = Path(path)
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            for part in parts:
                file.write(part)
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
    """Put the names in a directory on the disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
