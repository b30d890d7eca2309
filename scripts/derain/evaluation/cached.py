"""Cache of a stage's scores and previews, one file for each dataset. An image is scored again only if an input changed.

One job scores a stage on all datasets, because starting a job is costly. The cache files are not Snakemake outputs:
Snakemake deletes declared outputs before a job, so that a new dataset would cause all others to be scored again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from derain.errors import UserError
from derain.evaluation.scores import Image, ScoreRow
from derain.files import tensors
from derain.files.regular import open_regular

Part = tuple[Sequence[ScoreRow], Mapping[str, Image]]


def read_part(file: Path, key: Mapping[str, Any]) -> Part | None:
    """Read the rows and previews (as `score_outputs` returns them) cached under this key; None if there are none, or if
    the file is damaged. key: everything that decides them, as JSON values.
    """
    try:
        open_regular(file).close()
        previews, metadata = tensors.read(file)
        part = metadata["rows"], previews
        return part if metadata["digest"] == _digest(key, part) else None
    except (OSError, ValueError, UserError, TypeError, KeyError):  # no file yet, or a damaged one
        return None


def write_part(file: Path, key: Mapping[str, Any], part: Part) -> None:
    """Write rows and previews to the cache file, replacing its content."""
    rows, previews = part
    file.parent.mkdir(parents=True, exist_ok=True)
    tensors.write(file, previews, {"digest": _digest(key, part), "rows": rows})


def _digest(key: Mapping[str, Any], part: Part) -> str:
    rows, previews = part
    digest = hashlib.sha256(json.dumps([key, rows], sort_keys=True).encode())
    for name in sorted(previews):
        digest.update(f"{name} {previews[name].shape} ".encode() + previews[name].tobytes())
    return digest.hexdigest()
