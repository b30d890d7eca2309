"""Search for files by a pattern: a path below the root with placeholders.

    {scene}   the name of the clean background, equal for the partners of a pair
    {rain}    the name of one of several rains over a scene
    *         anything
    .*        at the end: the extension of any image

A placeholder matches within one part of the path. Literal letters match in upper and lower case.
"""

import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath

from derain.data.findings import ERROR, NOTICE, WARNING, Finding
from derain.data.inspection import EXTENSIONS

NAMELESS = {"Cc": "control character", "Co": "private use", "Cn": "unassigned"}  # categories of Unicode without names
RESULTS, SNAKEMAKE = "results", ".snakemake"  # folders of an experiment
NOWHERE = "is a link that leads nowhere"


@dataclass(frozen=True)
class Match:
    """A file: its path below the root, with "/", and the texts that {scene} and {rain} matched."""

    path: str
    scene: str
    rain: str


@dataclass
class Found:
    """The files that match a pattern, sorted by path, (severity, path, text) for each problem, and folders of results,
    which are passed over.
    """

    files: list[Match] = field(default_factory=list)
    amiss: list[tuple[str, str, str]] = field(default_factory=list)
    results: list[str] = field(default_factory=list)


def find(root: Path, pattern: str) -> Found:
    """All files below `root` that match. Links are followed; hidden files are ignored."""
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
        now = values | {key: composed(value) for key, value in match.groupdict().items()}
        if len(parts) > 1:
            if _is(entry.is_dir):
                _descend(root, f"{path}/", parts[1:], now, found)
            elif _leads_nowhere(entry):
                found.amiss.append((ERROR, path, NOWHERE))
        elif _is(entry.is_dir):
            found.amiss.append((NOTICE, path, "is a folder where an image was expected; passed over"))
        else:
            _add(entry, Match(path, now.get("scene", ""), now.get("rain", "")), found)


def find_below(root: Path) -> Found:
    """All images below `root`, at any depth. Links are followed; hidden files and folders are ignored, as are the
    results of an experiment. The scene of an image is its path without the extension.
    """
    found = Found()
    _search(root, "", (), found)
    found.files.sort(key=lambda match: match.path)
    return found


def _search(root: Path, folder: str, above: tuple[tuple[int, int], ...], found: Found) -> None:
    """above: device and inode of each folder on the way, to notice links to one of them."""
    try:
        status = (root / folder).stat()
    except OSError:  # _entries reports it
        here = (-1, -1)
    else:
        here = (status.st_dev, status.st_ino)
    if here in above:
        found.amiss.append((ERROR, folder.rstrip("/"), "is a link to a folder that contains it"))
        return
    for entry in _entries(root, folder, found):
        path = f"{folder}{entry.name}"
        if entry.name.startswith("."):
            continue
        if _is(entry.is_dir):
            if _has_results(Path(entry.path)):
                found.results.append(path)
            else:
                _search(root, f"{path}/", (*above, here), found)
        elif _leads_nowhere(entry):
            found.amiss.append((ERROR, path, NOWHERE))
        elif _expression("*.*").fullmatch(entry.name):
            scene = composed(PurePosixPath(path).with_suffix("").as_posix())
            _add(entry, Match(path, scene, ""), found)


def _add(entry: os.DirEntry[str], match: Match, found: Found) -> None:
    """Add a file that is no folder, or what is wrong with it."""
    if not _is(entry.is_file):
        found.amiss.append((ERROR, match.path, NOWHERE if _leads_nowhere(entry) else "is no regular file"))
    elif problem := name_problem(match.path):
        found.amiss.append((ERROR, match.path, f"has a name with {problem}"))
    else:
        found.files.append(match)


def levels(pattern: str, path: str) -> list[str]:
    """The texts of a path where its pattern has folder levels that are just "*"."""
    parts = zip(pattern.split("/")[:-1], path.split("/"), strict=False)
    return [composed(text) for part, text in parts if part == "*"]


class Excluded:
    """The patterns of `exclude`: * matches any text, also "/", and other characters match themselves."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._expressions = {
            pattern: re.compile(".*".join(map(re.escape, composed(pattern).split("*"))), re.DOTALL)
            for pattern in patterns
        }
        self._unmatched = dict.fromkeys(patterns)

    def __call__(self, *paths: str) -> bool:
        """Whether one of these paths below the root matches a pattern."""
        names = [composed(path) for path in paths]
        matching = [
            pattern for pattern, each in self._expressions.items() if any(each.fullmatch(name) for name in names)
        ]
        for pattern in matching:
            self._unmatched.pop(pattern, None)
        return bool(matching)

    def unmatched(self) -> list[Finding]:
        """A warning for each pattern that has matched no path."""
        return [Finding(WARNING, "", "", f"exclude: {pattern!r} matches no file") for pattern in self._unmatched]


def name_problem(path: str) -> str:
    """Why a file name cannot be written to a table, and what to do; "" for a valid name.

    If the locale is not UTF-8, Python cannot decode some valid names; these get a message of their own.
    """
    locale = sys.getfilesystemencoding()
    foreign = f"letters that this locale ({locale}) lacks; run with PYTHONUTF8=1 in the environment"
    try:
        stored = os.fsencode(path)
        if path.isprintable():
            return ""
        odd = next((each for each in stored.decode("utf-8") if not each.isprintable()), None)
    except UnicodeEncodeError:
        return foreign
    except UnicodeDecodeError:
        return "bytes that are not UTF-8; rename it"
    if odd is None:
        return foreign
    what = unicodedata.name(odd, NAMELESS.get(unicodedata.category(odd), ""))
    return f"the unprintable character U+{ord(odd):04X} ({what}); rename it"


def composed(name: str) -> str:
    """The name in NFC, because a name from macOS may encode the same letters differently (decomposed)."""
    return unicodedata.normalize("NFC", name)


def _entries(root: Path, folder: str, found: Found) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(root / folder) as entries:
            yield from entries
    except OSError as error:
        found.amiss.append((ERROR, folder or str(root), f"cannot be listed ({error.strerror})"))


def _is(kind: Callable[[], bool]) -> bool:
    """Call entry.is_dir or entry.is_file; False for a circular link, for which they raise OSError."""
    try:
        return kind()
    except OSError:
        return False


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    """Whether this is a broken or circular link, such as that to a disk which is not mounted."""
    return entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110 (does not raise)


def _has_results(folder: Path) -> bool:
    """Whether Snakemake wrote a folder of results. Its contact sheets would be photographs that each run changes."""
    return folder.name == RESULTS and os.path.isdir(folder.with_name(SNAKEMAKE))  # noqa: PTH112 (does not raise)


@cache
def _expression(part: str) -> re.Pattern[str]:
    images = f"(?:{'|'.join(re.escape(extension) for extension in EXTENSIONS)})"
    known = {"{scene}": "(?P<scene>[^/]+)", "{rain}": "(?P<rain>[^/]+)", "*": "[^/]*", ".*": images}
    pieces = re.split(r"(\{scene\}|\{rain\}|\.\*$|\*)", part)
    return re.compile("".join(known.get(piece, re.escape(piece)) for piece in pieces), re.IGNORECASE | re.DOTALL)
