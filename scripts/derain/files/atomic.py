"""Atomic writes: a file appears whole or not at all, even if the process is killed or the machine stops.

Neither Python nor the project's dependencies have an atomic write that also flushes file and directory to the disk.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Buffer = bytes | memoryview
PARTIAL = ".partial"  # suffix of a file that is being written


@contextmanager
def replacing(path: Path, others_write: bool = False) -> Iterator[Path]:
    """Yield the path of a file to write, which is renamed to `path` at the end of the block, or deleted at an error.

    A killed process may leave that file, `<path>.partial`; the next writer replaces it. others_write: whether other
    processes may write `path` at the same time; the file is then `<path>.<process id>`. An OSError gets the file name;
    the old file then stays as it was.
    """
    partial = path.with_name(f"{path.name}{f'.{os.getpid()}' if others_write else PARTIAL}")
    try:
        partial.unlink(missing_ok=True)  # it may be a link or a FIFO: never write into those
        yield partial
        partial.replace(path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = error.filename or str(path)
        raise


def write_whole(path: str | Path, *chunks: Buffer) -> None:
    """Write the chunks to a file and flush it to the disk, as `replacing` does. Raises OSError with the file name."""
    path = Path(path)
    with replacing(path) as partial, partial.open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    _sync(path.parent)


def _sync(directory: Path) -> None:
    """Flush a directory (its list of names) to the disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
