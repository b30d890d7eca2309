"""Results of a computation for each of many files, with a cache: an unchanged file is read only once."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from derain.data.parallel import in_parallel, processors
from derain.files.stamp import stamp

Result = TypeVar("Result")
Cached = dict[str, tuple[Any, Result]]  # what must be equal for a result to count again, and the result; by file
Keep = Callable[[Callable[[], None]], None]  # gets a function that writes, and calls it unless nothing may be written


def cached(
    stamps: Mapping[str, Any],
    known: Cached[Result],
    sound: Callable[[Result], bool],
    compute: Callable[[str], Result],
    title: str,
    keep: Callable[[Cached[Result]], None],
) -> dict[str, Result]:
    """The result of each file of `stamps`.

    stamps: what decides whether a result of `known`, the content of the cache, counts again; sound: whether a result
    may count again: a fault may be temporary (a disk that does not answer); compute: of a file, in threads, with a
    progress line `title`; keep: gets the new content if it differs, also after an interruption.
    """
    fresh = {file: known[file] for file, now in stamps.items() if file in known and known[file][0] == now}
    fresh = {file: each for file, each in fresh.items() if sound(each[1])}
    missing = [file for file in stamps if file not in fresh]
    try:
        for file, found in zip(missing, in_parallel(compute, missing, processors(), title), strict=True):
            fresh[file] = (stamps[file], found)
    finally:
        if missing or fresh.keys() != known.keys():
            keep(fresh)
    return {file: fresh[file][1] for file in stamps}


def stamp_or_none(path: str) -> list[int]:
    """The stamp of a file; empty for one that cannot be looked at, which its computation reports."""
    try:
        return stamp(path)
    except OSError:
        return []
