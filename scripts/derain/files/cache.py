"""Cache files with one JSON value each. A cache that is missing, damaged or unreadable counts as empty."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from derain.files.atomic import replacing
from derain.files.regular import open_regular


def read_cache(path: Path, key: str) -> Any | None:
    """The JSON value stored under this key, or None. key: must contain everything that decides the value."""
    try:
        with open_regular(path) as file:
            kept = json.loads(file.read())
        value = json.loads(kept["value"])
        return value if kept["digest"] == _digest(key, kept["value"]) else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def write_cache(path: Path, key: str, value: Any) -> None:
    """Replace the contents of the cache by one value. Errors in writing are ignored."""
    text = json.dumps(value)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, others_write=True) as partial:  # dry runs may write beside a run
            partial.write_text(json.dumps({"digest": _digest(key, text), "value": text}), encoding="utf-8")


def _digest(key: str, text: str) -> str:
    return hashlib.sha256(f"{key}\n{text}".encode()).hexdigest()
