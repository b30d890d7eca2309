"""Digests of files."""

import hashlib
from pathlib import Path

from derain.errors import UserError, shown


def file_digest(path: str | Path) -> str:
    """sha256 of a file, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_digest(path: str | Path, digest: str) -> None:
    """Raise UserError if the file has another digest than the one planned at the start of the run."""
    if file_digest(path) != digest:
        raise UserError(f"{shown(str(path))}: changed since this run began; run again")
