"""Arrays by name in safetensors files, which are the same bytes for the same content: θ, Ω, memories.

Their metadata tell the recipe that made them and the digests of the files that they descend from ("parents"), so that a
job knows a file that was replaced.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from derain.curriculum import THETA
from derain.errors import UserError
from derain.files.atomic import write_whole
from derain.files.digest import file_digest
from derain.files.regular import open_regular

Arrays = dict[str, NDArray[Any]]

# One key: safetensors writes several in no fixed order, and equal weights must be equal files.
METADATA_KEY = "derain"
CONTENT_KEY = "content"  # in the metadata: digest of the rest of them and of the arrays
# What a job adds to its recipe.
ADDED = {"data", "parents", "versions", "count"}
LARGEST_HEADER = 100_000_000  # bytes, as safetensors has it


def write(path: str | Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> None:
    """Write arrays and their metadata (JSON values), whole or not at all."""
    ordered = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    told = json.loads(json.dumps(metadata))
    told[CONTENT_KEY] = _digest(ordered, told)
    write_whole(path, save(ordered, {METADATA_KEY: json.dumps(told, sort_keys=True)}))


def read(path: str | Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and metadata of a file. Raises UserError with its name, also where it is not as it was written."""
    try:
        with open_regular(path) as file:
            return parsed(file.read())
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def parsed(content: bytes) -> tuple[Arrays, dict[str, Any]]:
    """The same of the bytes of a file. Raises ValueError."""
    try:
        arrays = load(content)
    except (SafetensorError, KeyError) as error:  # KeyError: of a type that NumPy has not
        raise ValueError(str(error)) from error
    told = _told(content[8 : 8 + int.from_bytes(content[:8], "little")])
    if told.pop(CONTENT_KEY, None) not in (None, _digest(arrays, told)):
        raise ValueError("it is not as it was written")
    return arrays, told


def metadata(path: str | Path) -> dict[str, Any]:
    """The metadata alone, from the head of the file. Raises UserError with its name."""
    try:
        with open_regular(path) as file:
            return head(file)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def head(file: BinaryIO) -> dict[str, Any]:
    """The metadata at the start of an open file. Raises ValueError."""
    told = _told(file.read(min(int.from_bytes(file.read(8), "little"), LARGEST_HEADER)))
    told.pop(CONTENT_KEY, None)
    return told


def recipe_digest(told: Mapping[str, Any]) -> str:
    """A digest of a recipe as plain values, or of that in the metadata of a file."""
    recipe = {name: value for name, value in told.items() if name not in ADDED}
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def check(planned: Mapping[str, Sequence[str]]) -> None:
    """Raise UserError where a file was made by another recipe than is planned for its path, or at another θ than that
    beside it. planned: by file, the digests of the recipes that may have made it.
    """
    for file, recipes in planned.items():
        told, theta = metadata(file), Path(file).with_name(THETA)
        if recipe_digest(told) not in recipes:
            use = ", or name it as initial_weights of a network" if Path(file) == theta else ""
            raise UserError(
                f"{file}: was not made by what the config, the data and the code say of it; delete it to have it made "
                f"again{use}"
            )
        made_at = told.get("parents", {}).get("theta")
        if made_at and Path(file) != theta and theta.is_file() and made_at != file_digest(theta):
            raise UserError(
                f"{file}: was made at another θ than {theta}, which has been replaced; delete it to have it made again "
                f"(or {theta.name} too, if that is not to be used)"
            )


def _told(header: bytes) -> dict[str, Any]:
    """The metadata in the header of a file. Raises ValueError."""
    try:
        told: dict[str, Any] = json.loads(json.loads(header).get("__metadata__", {}).get(METADATA_KEY, "{}"))
        if not all(isinstance(digest, str) for digest in told.get("parents", {}).values()):
            raise TypeError
    except (AttributeError, TypeError) as error:
        raise ValueError("its metadata are no table") from error
    return told


def _digest(arrays: Mapping[str, NDArray[Any]], told: Mapping[str, Any]) -> str:
    found = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name in sorted(arrays):
        found.update(json.dumps([name, arrays[name].dtype.str, arrays[name].shape]).encode())
        found.update(np.ascontiguousarray(arrays[name]).data)
    return found.hexdigest()


def _unreadable(path: str | Path, error: Exception) -> UserError:
    return UserError(f"{path}: cannot be read as safetensors ({' '.join(str(error).split())})")
