"""Files found by a pattern: a path below the root with placeholders.

    {scene}   what the partners of a pair have in common: the name of the clean background
    {rain}    which of several rains over one scene
    *         anything
    .*        at the end: the extension of any image

Placeholders stay within one part of the path. Letters match in either case.
"""

import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from derain.data.findings import ERROR, NOTICE

CONTROL = "control characters or broken encoding; rename it"
EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif")  # gif: to be named, then refused


@dataclass(frozen=True)
class Match:
    """A file: its path below the root with "/", and what stands for {scene} and {rain}."""

    path: str
    scene: str
    rain: str


@dataclass
class Found:
    """The files that match a pattern, in the order of their paths, and (severity, path, text) of what is amiss."""

    files: list[Match] = field(default_factory=list)
    amiss: list[tuple[str, str, str]] = field(default_factory=list)


def find(root: Path, pattern: str) -> Found:
    """All files below `root` that match. Links are followed; hidden files are passed over."""
    found = Found()
    _descend(root, "", pattern.split("/"), {}, found)
    found.files.sort(key=lambda match: match.path)
    return found


def _descend(root: Path, folder: str, parts: list[str], values: dict[str, str], found: Found) -> None:
    expression = _expression(parts[0])
    for entry in _entries(root, folder, found):
        match = expression.fullmatch(entry.name)
        if match is None or entry.name.startswith("."):
            continue
        path = f"{folder}{entry.name}"
        # The same name may be composed differently on both sides where one of them comes from macOS.
        now = values | {key: unicodedata.normalize("NFC", value) for key, value in match.groupdict().items()}
        if len(parts) > 1:
            if _is(entry.is_dir):
                _descend(root, f"{path}/", parts[1:], now, found)
        elif _is(entry.is_dir):
            found.amiss.append((NOTICE, path, "is a folder where an image was expected; passed over"))
        elif not _is(entry.is_file):
            link = "is a link that leads nowhere" if entry.is_symlink() else "is no regular file"
            found.amiss.append((ERROR, path, link))
        elif problem := name_problem(path):
            found.amiss.append((ERROR, path, f"has a name with {problem}"))
        else:
            found.files.append(Match(path, now.get("scene", ""), now.get("rain", "")))


def name_problem(path: str) -> str:
    """What the name of a file has that no table can hold, and what to do; empty where it is good.

    Where the locale is not UTF-8, Python reads a good name as bytes that it cannot decode.
    """
    locale = sys.getfilesystemencoding()
    foreign = f"letters that this locale ({locale}) lacks; run with PYTHONUTF8=1 in the environment"
    try:
        stored = os.fsencode(path)
        if path.isprintable():
            return ""
        return foreign if stored.decode("utf-8").isprintable() else CONTROL
    except UnicodeEncodeError:
        return foreign
    except UnicodeDecodeError:
        return CONTROL


def _entries(root: Path, folder: str, found: Found) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(root / folder) as entries:
            yield from entries
    except OSError as error:
        found.amiss.append((ERROR, folder or str(root), f"cannot be listed ({error.strerror})"))


def _is(kind: Callable[[], bool]) -> bool:
    """entry.is_dir or entry.is_file, where a link that goes round in a circle is neither."""
    try:
        return kind()
    except OSError:
        return False


@cache
def _expression(part: str) -> re.Pattern[str]:
    images = f"(?:{'|'.join(re.escape(extension) for extension in EXTENSIONS)})"
    known = {"{scene}": "(?P<scene>[^/]+)", "{rain}": "(?P<rain>[^/]+)", "*": "[^/]*", ".*": images}
    pieces = re.split(r"(\{scene\}|\{rain\}|\.\*$|\*)", part)
    return re.compile("".join(known.get(piece, re.escape(piece)) for piece in pieces), re.IGNORECASE | re.DOTALL)
