"""Inspections of all files of a dataset, with a cache: an unchanged file is decoded only once."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from derain.data.cached import Cached, Keep, cached, stamp_or_none
from derain.data.inspection import Facts, Inspection, inspect
from derain.data.samples import Sample
from derain.files.cache import read_cache, write_cache


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
    return cached(
        {file: [stamp_or_none(f"{root}/{file}"), sorted(wanted)] for file, wanted in parts.items()},
        _read(cache, version),
        lambda found: not found.fault,
        lambda file: inspect(root / file, parts[file]),
        title,
        lambda known: keep(lambda: _write(cache, version, known)),
    )


def _read(cache: Path, version: str) -> Cached[Inspection]:
    return {file: (stamp, _inspection(*found)) for file, (stamp, found) in (read_cache(cache, version) or {}).items()}


def _inspection(fault: str, notes: list[str], orientation: int, pictures: Mapping[str, list[Any]]) -> Inspection:
    return Inspection(fault, notes, orientation, {part: Facts(*facts) for part, facts in pictures.items()})


def _write(cache: Path, version: str, known: Cached[Inspection]) -> None:
    files = {
        file: (
            stamp,
            (
                found.fault,
                list(found.notes),
                found.orientation,
                {part: (f.height, f.width, f.sha256, f.hash, f.thumbnail) for part, f in found.pictures.items()},
            ),
        )
        for file, (stamp, found) in known.items()
    }
    write_cache(cache, version, files)
