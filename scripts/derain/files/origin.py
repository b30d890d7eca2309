"""`origin.json` beside θ: where, when and on which machine θ was made. This is not in the metadata of θ, because equal
stages must give equal files.
"""

import socket
import time
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from derain.curriculum import THETA
from derain.errors import shown
from derain.files.atomic import write_whole
from derain.files.digest import file_digest
from derain.files.regular import open_regular
from derain.machine import instruction_set, processor

ORIGIN = "origin.json"
LARGEST = 1_000_000  # bytes; the rest of a longer file is not read


class Made(BaseModel):
    """Where, when and on which machine files were made."""

    folder: str
    host: str
    date: str
    processor: str | None = None
    instruction_set: str | None = None

    def plain(self) -> dict[str, str]:
        """The known fields by name, each as one line of text."""
        return {name: shown(text) for name, text in self.model_dump(exclude_none=True).items()}


class Origin(Made):
    """Where θ was made. taken_from: the stage store's entry, if θ was copied from one; sha256: of θ."""

    taken_from: str | None = None
    sha256: str | None = None


def write_origin(files: Mapping[str, str], made: Mapping[str, str]) -> None:
    """Write `origin.json` beside θ, if `files` (paths by name) has one."""
    if THETA in files:
        origin = Origin(**made, sha256=file_digest(files[THETA]))
        write_whole(Path(files[THETA]).with_name(ORIGIN), json_of(origin))


def origin_of(theta: str | Path) -> dict[str, str] | None:
    """The fields of `origin.json` beside θ; None if it is missing, unreadable or belongs to another θ."""
    try:
        with open_regular(Path(theta).with_name(ORIGIN)) as file:
            origin = Origin.model_validate_json(file.read(LARGEST))
        of_another = origin.sha256 is not None and origin.sha256 != file_digest(theta)
        return None if of_another else origin.plain()
    except (OSError, ValueError):
        return None


def made_here(files: Mapping[str, str]) -> dict[str, str]:
    """The origin of files (paths by name) that this process has just made."""
    folder = Path(next(iter(files.values()))).resolve().parent
    return {
        "folder": shown(str(folder)),
        "host": socket.gethostname(),
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
        "processor": processor(),
        "instruction_set": instruction_set(),
    }


def json_of(content: BaseModel) -> bytes:
    """JSON text of a model without the fields that are None."""
    return content.model_dump_json(indent=1, exclude_none=True).encode()
