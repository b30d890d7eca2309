"""Inspections of all files of a dataset, with a cache: an unchanged file is decoded only once."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from derain.data.inspection import Facts, Inspection, inspect
from derain.data.parallel import in_parallel, processors
from derain.data.samples import Sample
from derain.files.cache import read_cache, write_cache
from derain.files.stamp import stamp

Keep = Callable[[Callable[[], None]], None]


def inspected(
    root: Path, samples: Iterable[Sample], cache: Path, version: str, title: str, keep: Keep
) -> dict[str, Inspection]:
    """The inspection of each file below `root` that the samples name.

    cache: JSON file with earlier results. A file is decoded again if its size, its modification or change time (no tool
    can set the latter back), its inode, the requested parts or `version` differ. keep: gets the function that writes
    the cache, and calls it unless the command must not write; also used after an interruption.
    """
    parts: dict[str, list[str]] = {}
    for sample in samples:
        for file, part in sample.pictures:
            wanted = parts.setdefault(file, [])
            if part not in wanted:
                wanted.append(part)
    known = _read(cache, version)
    stamps = {file: [_stamp(f"{root}/{file}"), sorted(wanted)] for file, wanted in parts.items()}
    # A fault may be temporary (a disk that does not answer), so faulty files are decoded again.
    sound = {file: kept for file, kept in known.items() if not kept[1].fault}
    fresh = {file: sound[file] for file, now in stamps.items() if file in sound and sound[file][0] == now}
    missing = [file for file in parts if file not in fresh]
    try:
        for file, found in zip(
            missing,
            in_parallel(lambda file: inspect(root / file, parts[file]), missing, processors(), title),
            strict=True,
        ):
            fresh[file] = (stamps[file], found)
    finally:
        if missing or fresh.keys() != known.keys():
            keep(lambda: _write(cache, version, fresh))
    return {file: fresh[file][1] for file in parts}


Known = dict[str, tuple[list[Any], Inspection]]


def _stamp(path: str) -> list[int]:
    try:
        return stamp(path)
    except OSError:  # the inspection reports it
        return []


def _read(cache: Path, version: str) -> Known:
    return {file: (stamp, _inspection(*found)) for file, (stamp, found) in (read_cache(cache, version) or {}).items()}


def _inspection(fault: str, notes: list[str], turned: bool, pictures: Mapping[str, list[Any]]) -> Inspection:
    return Inspection(fault, notes, turned, {part: Facts(*facts) for part, facts in pictures.items()})


def _write(cache: Path, version: str, known: Known) -> None:
    files = {
        file: (
            stamp,
            (
                found.fault,
                list(found.notes),
                found.turned,
                {part: (f.height, f.width, f.sha256, f.hash, f.thumbnail) for part, f in found.pictures.items()},
            ),
        )
        for file, (stamp, found) in known.items()
    }
    write_cache(cache, version, files)
