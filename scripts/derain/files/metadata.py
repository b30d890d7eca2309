"""What files of tensors tell of themselves: the recipe that made them, and the digests of the files that they descend
from ("parents"). So a job knows a file that was replaced.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from derain.curriculum import THETA
from derain.errors import UserError
from derain.files.digest import file_digest
from derain.files.regular import open_regular

# One key: safetensors writes several in no fixed order, and equal weights must be equal files.
METADATA_KEY = "derain"
CONTENT_KEY = "content"  # in the metadata: digest of the rest of them and of the arrays
# What a job adds to its recipe.
ADDED = {CONTENT_KEY, "data", "parents", "versions", "count"}
LARGEST_HEADER = 100_000_000  # bytes, as safetensors has it


def metadata(path: str | Path) -> dict[str, Any]:
    """The metadata alone, from the head of the file. Raises UserError with its name."""
    try:
        with open_regular(path) as file:
            return head(file)
    except (OSError, ValueError) as error:
        raise unsound(path, error) from error


def head(file: BinaryIO) -> dict[str, Any]:
    """The metadata at the start of an open file. Raises ValueError."""
    length = int.from_bytes(file.read(8), "little")
    header = file.read(min(length, LARGEST_HEADER))
    if len(header) < length:
        raise ValueError("its header is cut")
    try:
        told: dict[str, Any] = json.loads(json.loads(header).get("__metadata__", {}).get(METADATA_KEY, "{}"))
        if not all(isinstance(digest, str) for digest in told.get("parents", {}).values()):
            raise TypeError
    except (AttributeError, TypeError) as error:
        raise ValueError("its metadata are no table") from error
    return told


def whole(content: bytes) -> dict[str, Any]:
    """The same of all the bytes of a file. Raises ValueError, also where they are not as they were written."""
    told = head(io.BytesIO(content))
    if told.pop(CONTENT_KEY, None) not in (None, content_digest(content, told)):
        raise ValueError("damaged, or changed after it was written")
    return told


def content_digest(content: bytes, told: Mapping[str, Any]) -> str:
    """Of the arrays in the bytes of a file, and of metadata."""
    start = 8 + int.from_bytes(content[:8], "little")
    layout = json.loads(content[8:start])
    layout.pop("__metadata__", None)
    return hashlib.sha256(json.dumps([layout, told], sort_keys=True).encode() + content[start:]).hexdigest()


def recipe_digest(told: Mapping[str, Any]) -> str:
    """A digest of a recipe as plain values, or of that in the metadata of a file."""
    recipe = {name: value for name, value in told.items() if name not in ADDED}
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def check(planned: Mapping[str, Sequence[str]]) -> None:
    """Raise UserError where a file is damaged, was made by another recipe than is planned for its path, or at another θ
    than that beside it. planned: by file, the digests of the recipes that may have made it.
    """
    for file, recipes in planned.items():
        theta = Path(file).with_name(THETA)
        try:
            with open_regular(file) as opened:
                told = whole(opened.read())
        except (OSError, ValueError) as error:
            raise unsound(file, error) from error
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


def unsound(path: str | Path, error: OSError | ValueError) -> UserError:
    """The error of a file that cannot be read, or is wrong."""
    if isinstance(error, OSError):
        return UserError(f"{path}: cannot be read ({error.strerror})")
    reason = " ".join(str(error).split())
    return UserError(
        f"{path}: is no sound safetensors file ({reason}); delete it to have it made again, if it is a result"
    )
