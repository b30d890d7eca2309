"""A folder of finished stages that results folders share: each entry is named by the key of its file
(derain.plan.artifacts).

An entry holds files by name, and `contents.json`: their sha256, and where, when and on which machine they were made. It
appears whole, by the renaming of a folder; of two runs that finish the same stage the first one's stays.
"""

import json
import os
import shutil
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from derain.curriculum import THETA
from derain.errors import UserError, note
from derain.files.atomic import write_whole
from derain.files.digest import file_digest
from derain.machine import instruction_set, processor

CONTENTS, ORIGIN = "contents.json", "origin.json"


def share(entry: str, files: Iterable[str], log: str) -> None:
    """Tell beside θ where it was made, and put the files of a finished job into the store, if there is one."""
    named = {Path(file).name: file for file in files}
    made = made_here(named)
    tell_origin(named, made)
    if entry:
        note(put(Path(entry), named, made), log)


def tell_origin(files: Mapping[str, str], made: Mapping[str, str]) -> None:
    """Write where θ comes from beside it, not into it: equal stages are equal files wherever they are made."""
    if THETA in files:
        write_whole(Path(files[THETA]).with_name(ORIGIN), _json(made))


def put(entry: Path, files: Mapping[str, str], made: Mapping[str, str]) -> str:
    """Copy files, by name, into an entry of the store, with how they were made. Returns what happened, in a line: a
    stage that is finished must not fail for a store that cannot take it.
    """
    if entry.exists():
        return f"{entry} is there already"
    partial = entry.with_name(f".{entry.name}.{uuid4().hex}")
    try:
        partial.mkdir(parents=True)
        contents: dict[str, Any] = {"files": {}, "made": made}
        for name, file in files.items():
            _copy(Path(file), partial / name)
            contents["files"][name] = file_digest(partial / name)
        write_whole(partial / CONTENTS, _json(contents))
        partial.rename(entry)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        return f"{entry} is there already" if entry.exists() else f"{entry}: not stored ({error})"
    return f"stored as {entry}"


def take(entry: Path, files: Mapping[str, str]) -> dict[str, str]:
    """Copy the files of an entry, by name, to where they are wanted; what its contents tell of how they were made.

    Raises UserError where the entry is not whole, and sets it aside: the next run makes what it promised.
    """
    try:
        contents: dict[str, Any] = json.loads((entry / CONTENTS).read_text(encoding="utf-8"))
        for name, file in files.items():
            partial = Path(f"{file}.partial")
            _copy(entry / name, partial)
            if file_digest(partial) != contents["files"][name]:
                partial.unlink()
                raise ValueError(f"{name} is not what was stored")
        for file in files.values():
            Path(f"{file}.partial").replace(file)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{entry}: {_set_aside(entry)} ({error}); run again to train instead") from error
    return {**contents["made"], "taken_from": str(entry)}


def made_here(files: Mapping[str, str]) -> dict[str, str]:
    """Where, when and on which machine files were made: by the process that made them."""
    folder = Path(next(iter(files.values()))).resolve().parent
    return {
        "folder": str(folder),
        "host": socket.gethostname(),
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
        "processor": processor(),
        "instruction_set": instruction_set(),
    }


def _set_aside(entry: Path) -> str:
    """What is the matter with an entry that cannot be taken."""
    if not entry.exists():
        return "is gone"
    aside = entry.with_name(f"{entry.name}.damaged-{uuid4().hex[:8]}")
    try:
        entry.rename(aside)
    except OSError:
        return "is damaged, delete it"
    return f"is damaged, and now called {aside.name}"


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("wb") as written:
        shutil.copyfileobj(read, written)
        written.flush()
        os.fsync(written.fileno())


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1).encode()
