"""Work on many files at once, with a progress bar and bounded memory."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")
BATCH = 256  # items under way at a time


def in_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, title: str
) -> Iterator[Result]:
    """function(item) for each, in order. Threads: decoding, hashing and writing all release the interpreter lock,
    and threads may start where the main program cannot be started anew.
    """
    # Lines that a machine reads hold no bar; what takes under a second needs none.
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(items), desc=title, unit="file", delay=1, disable=not sys.stderr.isatty()) as bar,
    ):
        for start in range(0, len(items), BATCH):
            for result in pool.map(function, items[start : start + BATCH]):
                bar.update()
                yield result


def processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
