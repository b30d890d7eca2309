"""Arrays by name in safetensors files, which are the same bytes for the same content: θ, Ω, memories."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from derain.errors import UserError
from derain.files.atomic import write_whole

Arrays = dict[str, NDArray[Any]]

# One key: safetensors writes several in no fixed order, and equal weights must be equal files.
METADATA_KEY = "derain"


def write(path: str | Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> None:
    """Write arrays and their metadata (JSON values), whole or not at all."""
    ordered = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    write_whole(path, save(ordered, {METADATA_KEY: json.dumps(metadata, sort_keys=True)}))


def read(path: str | Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and metadata of a file that `write` made. Raises UserError with the name of the file."""
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            return arrays, _metadata(file)
    except Exception as error:  # safetensors' own error is a bare Exception
        raise UserError(f"{path}: cannot be read as safetensors ({' '.join(str(error).split())})") from error


def metadata(path: str | Path) -> dict[str, Any]:
    """The metadata of a file that `write` made; empty where it cannot be read, which whoever reads the arrays tells."""
    try:
        with safe_open(path, framework="numpy") as file:
            return _metadata(file)
    except Exception:  # as above
        return {}


def _metadata(file: Any) -> dict[str, Any]:
    return json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
