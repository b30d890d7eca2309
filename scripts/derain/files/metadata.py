"""Metadata of safetensors files: the recipe that made the file, and the digests of its input files ("parents"). A job
compares them with its plan and so detects a file that was replaced.
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

# All metadata are under one key: safetensors writes several keys in no fixed order, but equal weights must give equal
# files.
METADATA_KEY = "derain"
CONTENT_KEY = "content"  # in the metadata: digest of the arrays and of the other metadata
BUFFERS = "buffers"  # in the metadata of θ: names of the arrays that are buffers of the network, which are not trained
# Metadata that a job adds to its recipe.
ADDED = {CONTENT_KEY, BUFFERS, "data", "parents", "versions", "count"}
# What a file is, by a key of the recipe that made it (derain.plan.recipes). The first key that a file has counts.
A_THETA, AN_OMEGA = "a θ", "an Ω"
KINDS = {
    "count": "a shard of an Ω",
    "importance": AN_OMEGA,
    "omega": AN_OMEGA,
    "how": AN_OMEGA,
    "module": "a state of a method",
    "network": A_THETA,
}
LARGEST_HEADER = 100_000_000  # bytes, the limit of safetensors


def metadata(path: str | Path) -> dict[str, Any]:
    """Read only the metadata of a file, from its header. Raises UserError with the file name."""
    try:
        with open_regular(path) as file:
            return head(file)
    except (OSError, ValueError) as error:
        raise unsound(path, error) from error


def head(file: BinaryIO) -> dict[str, Any]:
    """Read the metadata from the header of an open file. Raises ValueError."""
    length = int.from_bytes(file.read(8), "little")
    header = file.read(min(length, LARGEST_HEADER))
    if len(header) < length:
        raise ValueError("its header is cut")
    try:
        recorded: dict[str, Any] = json.loads(json.loads(header).get("__metadata__", {}).get(METADATA_KEY, "{}"))
        if not all(isinstance(digest, str) for digest in recorded.get("parents", {}).values()):
            raise TypeError
    except (AttributeError, TypeError) as error:
        raise ValueError("its metadata are no table") from error
    return recorded


def kind_of(recorded: Mapping[str, Any]) -> str | None:
    """What a file with these metadata is, one of KINDS; None if they do not say, as those of other programs."""
    return next((kind for key, kind in KINDS.items() if key in recorded), None)


def other_than(kind: str, recorded: Mapping[str, Any]) -> str | None:
    """What a file with these metadata is, if that is not `kind`, in words; None if it is or may be."""
    found = kind_of(recorded)
    return None if found in (None, kind) else f"is {found}, no {kind.rpartition(' ')[2]}"


def whole(content: bytes) -> dict[str, Any]:
    """Read the metadata from all bytes of a file and check its content digest. Raises ValueError, also if the file was
    changed after it was written.
    """
    recorded = head(io.BytesIO(content))
    if recorded.pop(CONTENT_KEY, None) not in (None, content_digest(content, recorded)):
        raise ValueError("damaged, or changed after it was written")
    return recorded


def content_digest(content: bytes, recorded: Mapping[str, Any]) -> str:
    """sha256 of the arrays in a file's bytes and of the metadata `recorded`."""
    start = 8 + int.from_bytes(content[:8], "little")
    layout = json.loads(content[8:start])
    layout.pop("__metadata__", None)
    return hashlib.sha256(json.dumps([layout, recorded], sort_keys=True).encode() + content[start:]).hexdigest()


def recipe_digest(recorded: Mapping[str, Any]) -> str:
    """sha256 of a recipe, given as plain values or as the metadata of a file (without the keys in ADDED)."""
    recipe = {name: value for name, value in recorded.items() if name not in ADDED}
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def check(planned: Mapping[str, Sequence[str]]) -> None:
    """Raise UserError if a file is damaged, was made by another recipe than planned, or was made at another θ than the
    one beside it. planned: by file, the digests of the recipes that may have made it.
    """
    for file, recipes in planned.items():
        theta = Path(file).with_name(THETA)
        try:
            with open_regular(file) as opened:
                recorded = whole(opened.read())
        except (OSError, ValueError) as error:
            raise unsound(file, error) from error
        if recipe_digest(recorded) not in recipes:
            use = ", or name it as initial_weights of a network" if Path(file) == theta else ""
            raise UserError(
                f"{file}: was made by another recipe than the config, data and code now give; delete it and run "
                f"again{use}"
            )
        made_at = recorded.get("parents", {}).get("theta")
        if made_at and Path(file) != theta and theta.is_file() and made_at != file_digest(theta):
            raise UserError(
                f"{file}: was made at another θ than {theta}, which has been replaced; delete it and run again "
                f"(delete {theta.name} too, if you do not want that one)"
            )


def unsound(path: str | Path, error: OSError | ValueError) -> UserError:
    """The UserError for a file that cannot be read or is not valid."""
    if isinstance(error, OSError):
        return UserError(f"{path}: cannot be read ({error.strerror})")
    reason = " ".join(str(error).split())
    return UserError(f"{path}: is no valid safetensors file ({reason}); delete it and run again, if it is a result")
