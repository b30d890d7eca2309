"""Opening of files that other programs may have put there: only regular files, so that no read blocks on a pipe."""

import errno
import io
import os
import stat
from pathlib import Path

NOT_REGULAR = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO}


def open_regular(path: str | Path, links: bool = True) -> io.BufferedReader:
    """Open a file for reading. links: whether it may be a symbolic link. Raises ValueError if it does not exist or is
    not a regular file, OSError if it cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | (0 if links else os.O_NOFOLLOW))
    except OSError as error:
        if error.errno in NOT_REGULAR:
            raise ValueError(f"{Path(path).name}: {error.strerror}") from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError(f"{Path(path).name} is no regular file")
    return os.fdopen(handle, "rb")
