"""Reading and writing of safetensors files (θ, Ω, memories): named arrays with metadata. Equal content gives equal
bytes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from derain.files.atomic import write_whole
from derain.files.metadata import BUFFERS, CONTENT_KEY, METADATA_KEY, content_digest, unsound, whole
from derain.files.regular import open_regular

Arrays = dict[str, NDArray[Any]]


def write(path: str | Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> None:
    """Write arrays and their metadata (JSON values) atomically."""
    ordered = {name: np.asarray(arrays[name], order="C") for name in sorted(arrays)}  # keeps arrays without axes
    recorded = json.loads(json.dumps(metadata))
    recorded[CONTENT_KEY] = content_digest(save(ordered), recorded)
    write_whole(path, save(ordered, {METADATA_KEY: json.dumps(recorded, sort_keys=True)}))


def read(path: str | Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and metadata of a file. Raises UserError with the file name, also if it was changed after writing."""
    try:
        with open_regular(path) as file:
            return parsed(file.read())
    except (OSError, ValueError) as error:
        raise unsound(path, error) from error


def parameters(path: str | Path) -> Arrays:
    """The arrays of a θ without the network's buffers. Raises UserError as `read`."""
    arrays, recorded = read(path)
    return {name: array for name, array in arrays.items() if name not in recorded.get(BUFFERS, ())}


def parsed(content: bytes) -> tuple[Arrays, dict[str, Any]]:
    """The arrays, sorted by name, and the metadata from the bytes of a file. Raises ValueError."""
    try:
        loaded = load(content)  # in no fixed order
    except (SafetensorError, KeyError) as error:  # KeyError: a type that NumPy lacks
        raise ValueError(str(error)) from error
    return {name: loaded[name] for name in sorted(loaded)}, whole(content)


def finite(content: bytes) -> None:
    """Raise ValueError if the bytes are no valid safetensors file or contain a value that is not finite."""
    arrays, _ = parsed(content)
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("it has values that are not finite")
