"""What Snakemake's record of a file's job says of the file, for readers beside a run, which build no DAG."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from derain.engine import FOLDER
from derain.engine.outputs import TENSORS, USED_DIGESTS
from derain.files.digest import file_digest


class Records:
    """The records of the run in a folder. Files are relative to this folder, as in the rules."""

    def __init__(self, folder: Path = Path()) -> None:
        self.folder = folder
        self._digest = cache(file_digest)

    def made(self, file: str, *params: Any) -> bool:
        """Whether a job that has these values among its params has made a file, as in `made_from`."""
        recorded = self._read(file).get("params") or ()
        return all(repr(value) in recorded for value in params) and self.made_from(file) is not None

    def made_from(self, file: str) -> set[str] | None:
        """The safetensors files that a file was made from; None if one of them has been replaced since, or if there is
        no record of them.
        """
        used = (self._read(file).get("input_checksums") or {}).get(USED_DIGESTS)
        if used is None:
            return None
        tensors = {name: known[-1] for name, known in used.items() if name.endswith(TENSORS)}
        same = all(self._is(Path(self.folder, name), digest) for name, digest in tensors.items())
        return set(tensors) if same else None

    def _is(self, file: Path, digest: str) -> bool:
        return not file.is_file() or self._digest(file) == digest

    def _read(self, file: str) -> Mapping[str, Any]:
        from snakemake.persistence.file import FilePersistence

        place = Path(self.folder, FOLDER, "metadata")
        if not place.is_dir():
            return {}
        records = FilePersistence.__new__(FilePersistence)  # its __init__ would make folders
        records._max_len = None
        found: Mapping[str, Any] = records._io_read(str(place), file)
        return found
