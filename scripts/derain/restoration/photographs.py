"""Lists photographs: the files that are to be restored, and the places of their outputs. Imports no torch."""

import os
from collections.abc import Iterable
from glob import glob, has_magic
from pathlib import Path
from typing import NamedTuple

from derain.errors import reason_of, shown
from derain.files.atomic import PARTIAL
from derain.restoration import pictures

RECORD = "restored.jsonl"  # in the output folder: a line for each photograph that is done
COMPARED = "compare"  # folder in the output folder: the page that compares photographs, and its pictures


class Photograph(NamedTuple):
    """A file to restore. place: of the output, below the output folder."""

    file: Path
    place: Path


class Fault(NamedTuple):
    """A fault of what is given. number: which of the given names, from 0."""

    number: int
    text: str


def photographs(given: Iterable[str], out: Path, compare: bool) -> tuple[list[Photograph], list[Fault]]:
    """The photographs of files, folders and glob patterns, and the faults.

    The files of a folder, by the suffixes of images, stay in its subfolders. A file that is named twice is restored
    once. Of folders and patterns, what is below the folder `out` is left out: the outputs of an earlier call. It is
    a fault if nothing else is left. compare: whether they are to be compared: then an output in COMPARED, where a
    picture of the comparison could replace it, is a fault.
    """
    names = list(given)
    found: dict[Path, Photograph] = {}
    faults: list[Fault] = []
    files = set()
    below = os.path.realpath(out)
    for number, name in enumerate(names):
        messages: list[str] = []
        for photograph in _named(name, below, messages):
            if photograph.file in files:
                continue
            files.add(photograph.file)
            place = photograph.place
            if str(place) == RECORD or place.suffix == PARTIAL:
                messages.append(f"{shown(str(photograph.file))}: has the name of a file of this program; rename it")
            elif compare and place.parts[0] == COMPARED:
                messages.append(
                    f"{shown(str(photograph.file))}: its output {shown(str(place))} would be among the pictures of the "
                    "comparison; restore its folder by itself, or rename it"
                )
            elif (other := found.setdefault(place, photograph)) is not photograph:
                messages.append(
                    f"{shown(str(photograph.file))}: its output {shown(str(place))} is that of "
                    f"{shown(str(other.file))}, too; restore them into different folders"
                )
        faults += [Fault(number, text) for text in messages]
    if not found and not faults:
        faults.append(
            Fault(
                0,
                f"{shown(next(iter(names), ''))}: has no photograph outside the output folder {shown(str(out))}, whose "
                "files are taken for outputs; restore into another folder",
            )
        )
    return list(found.values()), faults


def _named(name: str, out: str, faults: list[str]) -> list[Photograph]:
    """The photographs of a file, a folder or a pattern. What names none adds a fault. out: without links."""
    pattern = has_magic(name) and not os.path.lexists(name)
    paths = _matching(name) if pattern else [name]
    if not any(paths):
        faults.append(f"{shown(name) or repr(name)}: no file has such a name")
        return []
    if not pattern and not os.path.isdir(name):  # noqa: PTH112 (does not raise, whatever the name is)
        return [Photograph(Path(name), Path(Path(name).name))]
    found = []
    for path in map(Path, paths):
        if os.path.isdir(path):  # noqa: PTH112 (does not raise)
            found += [Photograph(file, file.relative_to(path)) for file in _files(path, faults)]
        else:
            found.append(Photograph(path, Path(path.name)))
    if not found:
        faults.append(f"{shown(name)}: has no file with the suffix of an image")
    return [each for each in found if not _within(each.file, out)]


def _matching(pattern: str) -> list[str]:
    """The paths of a pattern, sorted. glob follows all links at `**`; paths over those that lead up are left out."""
    paths = sorted(glob(pattern, recursive=True))  # noqa: PTH207 (also absolute patterns)
    if "**" not in pattern:
        return paths
    literal = len(Path(pattern.partition("**")[0]).parts)
    return [path for path in paths if not any(map(_leads_up, _from_part(Path(path), literal)))]


def _from_part(path: Path, number: int) -> list[Path]:
    """A path and its parents that have more than `number` parts."""
    return [each for each in (path, *path.parents) if len(each.parts) > number]


def _files(folder: Path, faults: list[str]) -> list[Path]:
    """What has the suffix of an image below a folder, also if it is none, such as a broken link: it is named when it is
    read. Links are followed, except those that lead up. A subfolder that cannot be listed adds a fault.
    """

    def unlisted(error: OSError) -> None:
        faults.append(f"{shown(str(error.filename))}: {reason_of(error)}")

    files: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=unlisted, followlinks=True):
        folders[:] = [each for each in folders if not _leads_up(Path(parent) / each)]
        files += [Path(parent) / name for name in names]
    return sorted(file for file in files if file.suffix.lower() in pictures.SUFFIXES)


def _leads_up(folder: Path) -> bool:
    """Whether a folder is a link to a folder that contains one on the way to it, or to such a one itself."""
    if not folder.is_symlink():
        return False
    target = os.path.realpath(folder)
    return any(_within(each, target) for each in folder.parents)


def _within(file: Path, folder: str) -> bool:
    """Whether a file is below a folder or that folder, links followed. Unlike Path.resolve it bears loops of links.
    folder: without links.
    """
    return os.path.join(os.path.realpath(file), "").startswith(os.path.join(folder, ""))  # noqa: PTH118 (faster)
