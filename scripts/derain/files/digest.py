"""Digests of files."""

import hashlib
from pathlib import Path


def file_digest(path: str | Path) -> str:
    """sha256 of a file, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
