"""What Snakemake's record of a file's job says of the file, for readers beside a run, which build no DAG."""

from ast import literal_eval
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from derain.engine import FOLDER
from derain.engine.outputs import OWN_DIGEST, TENSORS, USED_DIGESTS
from derain.files.digest import file_digest


class Records:
    """The records of the run in a folder. Files are relative to this folder, as in the rules."""

    def __init__(self, folder: Path = Path()) -> None:
        self.folder = folder
        self._digest, self._read = cache(file_digest), cache(self._record)

    def made(self, file: str, *params: Any) -> bool:
        """Whether a job that has these values among its params has made a file, as in `made_from`."""
        recorded = self._read(file).get("params") or ()
        return all(repr(value) in recorded for value in params) and self.made_from(file) is not None

    def made_from(self, file: str) -> set[str] | None:
        """The safetensors files that a file was made from; None if one of them has been replaced since, or if there is
        no record of them.
        """
        used = self.used(file)
        if used is None:
            return None
        tensors = {name: digest for name, digest in used.items() if name.endswith(TENSORS)}
        return set(tensors) if self.are_there(tensors) else None

    def used(self, file: str) -> dict[str, str] | None:
        """The sha256 of each file that a file was made from, as it was then, without pixels; None if there is no record
        of them.
        """
        used = (self._read(file).get("input_checksums") or {}).get(USED_DIGESTS)
        return None if used is None else {name: known[-1] for name, known in used.items()}

    def are_there(self, used: Mapping[str, str]) -> bool:
        """Whether none of these files, sha256 by file, has been replaced. A deleted one counts as unchanged."""
        files = {Path(self.folder, name): digest for name, digest in used.items()}
        return all(not file.is_file() or self._digest(file) == digest for file, digest in files.items())

    def digest(self, file: str) -> str | None:
        """The sha256 of a file when its job ended; None if there is no record of it."""
        own = (self._read(file).get("input_checksums") or {}).get(OWN_DIGEST)
        return own[-1] if own else None

    def params(self, file: str) -> list[Any]:
        """The values of the params of the job that made a file, without their names, which are not recorded."""
        return [literal_eval(text) for text in self._read(file).get("params") or ()]

    def ended(self, file: str) -> float:
        """When the job that made a file ended, seconds since 1970; 0 if there is no record of it."""
        return float(self._read(file).get("endtime") or 0)

    def _record(self, file: str) -> Mapping[str, Any]:
        from snakemake.persistence.file import FilePersistence

        place = Path(self.folder, FOLDER, "metadata")
        if not place.is_dir():
            return {}
        records = FilePersistence.__new__(FilePersistence)  # its __init__ would make folders
        records._max_len = None
        found: Mapping[str, Any] = records._io_read(str(place), file)
        return found
