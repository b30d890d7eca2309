"""The memory of the process: its limit, and its allocator."""

import ctypes
from contextlib import suppress

# glibc's parameters (mallopt(3)): from this size on, a block is returned to the system as soon as it is freed; and the
# size of free memory at the end of the heap from which on it is returned.
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1
LARGEST = 2**31 - 1  # bytes, a C int
MMAP_LIMIT = 2**30  # bytes
# bytes, by default, of a process that restores; the options of commands need it without pydantic and torch
RESTORING_LIMIT = 2 * 10**9


def keep_freed_memory() -> None:
    """Keep freed blocks of any size for the next tensors; without effect where the C library is not glibc.

    By default glibc returns blocks above 32 MiB to the system at once, and every pass over a large image gets its
    memory anew, page by page.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, MMAP_LIMIT)
        mallopt(M_TRIM_THRESHOLD, LARGEST)


def return_freed_memory() -> None:
    """Return all freed memory to the system; without effect where the C library is not glibc."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
