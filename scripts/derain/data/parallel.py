"""Parallel work in threads, with bounded memory."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")
BATCH = 256  # items submitted at a time


def in_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, title: str
) -> Iterator[Result]:
    """Yield function(item) for each item, in order. Uses threads: decoding, hashing and writing release the interpreter
    lock, and spawned processes would import the main program again, which is not always possible.
    """
    # No bar if stderr is not a terminal, nor in the first second.
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(items), desc=title, unit="file", delay=1, disable=not sys.stderr.isatty()) as bar,
    ):
        for start in range(0, len(items), BATCH):
            for result in pool.map(function, items[start : start + BATCH]):
                bar.update()
                yield result


def in_turn(works: Iterable[Callable[[], Result]], workers: int) -> Iterator[Result]:
    """Yield the result of each work, in order. Threads do the works while the caller's thread makes the next ones; at
    most two works for each thread are held. workers: number of threads; 0: the caller's thread does each work itself.
    """
    if not workers:
        yield from (work() for work in works)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Result]] = deque()
        for work in works:
            waiting.append(pool.submit(work))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
