"""Scores and previews of a stage by dataset, kept so that no image is scored twice while what decides it stays.

One job scores a stage on all datasets, for the cost of starting it. Its parts are files that no rule declares: the
engine deletes declared outputs before a job, and with another dataset among them all would be scored again.
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


def kept(file: Path, key: Mapping[str, Any]) -> Part | None:
    """The rows and previews (as of `score_outputs`) that were kept under this key; None where there are none.

    key: JSON values, all that decides them.
    """
    try:
        open_regular(file).close()
        previews, metadata = tensors.read(file)
        part = metadata["rows"], previews
        return part if metadata["digest"] == _digest(key, part) else None
    except (OSError, ValueError, UserError, TypeError, KeyError):  # none yet, or one that is damaged
        return None


def keep(file: Path, key: Mapping[str, Any], part: Part) -> None:
    """Keep rows and previews in the place of what the file held before."""
    rows, previews = part
    file.parent.mkdir(parents=True, exist_ok=True)
    tensors.write(file, previews, {"digest": _digest(key, part), "rows": rows})


def _digest(key: Mapping[str, Any], part: Part) -> str:
    rows, previews = part
    digest = hashlib.sha256(json.dumps([key, rows], sort_keys=True).encode())
    for name in sorted(previews):
        digest.update(f"{name} {previews[name].shape} ".encode() + previews[name].tobytes())
    return digest.hexdigest()
