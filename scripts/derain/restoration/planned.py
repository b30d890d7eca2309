"""The photographs of the config: listed and digested before the first job. Imports no torch."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from derain.data.cached import Keep, cached, stamp_or_none
from derain.errors import UserError, shown
from derain.files.cache import read_cache, write_cache
from derain.files.regular import open_regular
from derain.restoration.photographs import Fault, Photograph, photographs

RESULTS = Path("results")  # of folders and patterns, what is below is left out
SECTION, ALL = "photographs", "all"  # of the config, also among the digests of a run; the digest of all photographs


class PlannedPhotographs:
    """The photographs of an experiment. In the main process `check()` computes their digest. Jobs get the digests of
    the main process, because photographs may have changed since the run began.

    files: names, folders and patterns of the config; cache: file of the digests of single photographs; digests: in a
    job, those of its run.
    """

    def __init__(self, files: Sequence[str], cache: Path, digests: Mapping[str, dict[str, str]] | None = None) -> None:
        self.files, self.cache = files, cache
        self.digests = {SECTION: (digests or {}).get(SECTION, {})}

    @property
    def digest(self) -> str:
        """Digest of the places and bytes of all photographs; empty without photographs."""
        return self.digests[SECTION].get(ALL, "")

    def check(self, keep: Keep) -> None:
        """List the photographs and compute their digest.

        keep: gets the function that writes the cache, and calls it unless the command must not write. Raises UserError
        with a line for each name that names no photograph, and for each two photographs with the same output.
        """
        if self.files:
            self.digests = {SECTION: {ALL: self._look(keep)[1]}}

    def unchanged(self, digest: str) -> list[Photograph]:
        """The photographs. Raises UserError if they are others than those of the digest."""
        todo, now = self._look(lambda write: None)
        if now != digest:
            raise UserError(f"{SECTION}: one was added, changed or deleted since this run began; run again")
        return todo

    def listed(self) -> list[Photograph]:
        """The photographs. Raises UserError as `check`."""
        todo, faults = photographs(self.files, RESULTS, compare=True) if self.files else ([], [])
        files = [str(each.file) for each in todo]
        for number, name in enumerate(self.files):
            if str(Path(name)) in files and not os.path.exists(name):  # noqa: PTH110 (does not raise)
                faults.append(Fault(number, f"{shown(name)}: no file has such a name"))
        if faults:
            raise UserError("\n".join(f"config: {SECTION}.files[{n}]: {text}" for n, text in sorted(faults)))
        return todo

    def _look(self, keep: Keep) -> tuple[list[Photograph], str]:
        todo = self.listed()
        files = [str(each.file) for each in todo]
        digests = _digests(files, self.cache, keep)
        decided = [(each.place.as_posix(), digests[file]) for each, file in zip(todo, files, strict=True)]
        return todo, hashlib.sha256(json.dumps(decided).encode()).hexdigest()


def _digests(files: Sequence[str], cache: Path, keep: Keep) -> dict[str, str]:
    """sha256 by file. A file whose stamp is that of the cache is not read."""
    return cached(
        {file: stamp_or_none(file) for file in files},
        read_cache(cache, SECTION) or {},
        bool,
        _digest,
        "reading photographs",
        lambda known: keep(
            lambda: write_cache(cache, SECTION, {file: each for file, each in known.items() if all(each)})
        ),
    )


def _digest(file: str) -> str:
    """sha256 of a file; empty for one that cannot be read, which the jobs name."""
    try:
        with open_regular(file) as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""
