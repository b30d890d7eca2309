"""Scores and previews of a stage by dataset, kept so that no image is scored twice while what decides it stays.

One job scores a stage on all datasets, for the cost of starting it. Its parts are files that no rule declares: the
engine deletes declared outputs before a job, and with another dataset among them all would be scored again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from derain.errors import UserError
from derain.evaluation.scores import Image, ScoreRow
from derain.files import tensors

Part = tuple[Sequence[ScoreRow], Mapping[str, Image]]


def kept(file: Path, key: Mapping[str, Any]) -> Part | None:
    """The rows and previews (as of `score_outputs`) that were kept under this key; None where there are none.

    key: JSON values, all that decides them.
    """
    try:
        previews, metadata = tensors.read(file)
    except UserError:  # none yet, or one that is damaged
        return None
    return (metadata["rows"], previews) if metadata.get("key") == key else None


def keep(file: Path, key: Mapping[str, Any], part: Part) -> None:
    """Keep rows and previews in the place of what the file held before."""
    rows, previews = part
    file.parent.mkdir(parents=True, exist_ok=True)
    tensors.write(file, previews, {"key": key, "rows": rows})
