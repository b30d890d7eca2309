"""Lists of pairs (text, as SPA-Data's real_world.txt, or CSV) and lists of scenes (text)."""

import csv
import os
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from derain.data.matching import name_problem
from derain.data.samples import SPLITS, Sample

NEEDED, OPTIONAL = ("rainy", "clean"), ("scene", "split")  # columns of CSV


@dataclass
class Listed:
    """The pairs of a list, and (place, problem) for each fault. place: list:line, or the list if it cannot be read."""

    samples: list[Sample] = field(default_factory=list)
    amiss: list[tuple[str, str]] = field(default_factory=list)


def listed_pairs(root: Path, name: str, split: str, unnamed: str, excluded: Callable[..., bool]) -> Listed:
    """Pairs of `split` in the list `name` below `root`; none if the file does not exist.

    Text: one pair per line, rainy and clean path, separated by a tab or, in a line without tabs, by spaces. CSV:
    columns rainy, clean and, optionally, scene and split; unnamed: the split of rows without one. Paths are relative to
    the root, also if they begin with "/". The scene defaults to the clean path: pairs of one clean image are one scene.
    excluded: whether a row of these files, below the root, is to be left out; they need not exist.
    """
    listed = Listed()
    path = root / name
    if not is_there(root, name):
        return listed
    try:
        if not path.is_file():
            raise ValueError("it is no file, or a link that leads nowhere")
        rows = _csv_rows(path) if path.suffix.lower() == ".csv" else _text_rows(path)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        listed.amiss.append((name, f"cannot be read as a list of pairs ({error})"))
        return listed
    seen: set[str] = set()
    roots = (root, root.absolute(), root.resolve())
    for line, row in rows:
        rainy, clean = (_below(roots, row.get(column, "")) for column in NEEDED)
        if excluded(rainy, clean):
            continue
        of_split = row.get("split") or unnamed
        problem = _problem(root, row, rainy, clean, of_split, seen)
        if problem:
            listed.amiss.append((f"{name}:{line}", problem))
        elif of_split == split:
            listed.samples.append(Sample(split, row.get("scene") or clean or rainy, rainy, rainy, clean))
            seen.add(rainy)
    return listed


def is_there(root: Path, name: str) -> bool:
    """Whether there is a list of this name; it may be one that cannot be read."""
    return os.path.lexists(root / name)


def listed_scenes(path: Path) -> set[str]:
    """The non-empty lines of a text file: names of scenes or of their images. Raises OSError, UnicodeDecodeError."""
    return {line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()}


def _text_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if line.strip():
            names = line.strip().split("\t" if "\t" in line.strip() else None)
            rows.append((number, dict(zip(NEEDED, map(str.strip, names), strict=True)) if len(names) == 2 else {}))
    return rows


def _csv_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file, strict=True)
        rows = ((lines.line_num, [cell.strip() for cell in cells]) for cells in lines)
        filled = [(number, cells) for number, cells in rows if any(cells)]
    header = filled[0][1] if filled else []
    columns = [name.lower() for name in header]
    named = [name for name in columns if name]  # a table with an index has a column without a name
    if len(set(named)) < len(named) or not set(NEEDED) <= set(named) <= {*NEEDED, *OPTIONAL}:
        found = ", ".join(repr(name) for name in header if name) or "none"
        known = f"needed are {' and '.join(NEEDED)}, known are also {' and '.join(OPTIONAL)}"
        raise ValueError(f"its columns are {found}; {known}, each once, separated by commas")
    return [
        (number, {key: cell for key, cell in zip(columns, cells, strict=False) if key}) for number, cells in filled[1:]
    ]


def _problem(root: Path, row: dict[str, str], rainy: str, clean: str, split: str, seen: set[str]) -> str:
    """rainy, clean: the files of the row, below the root."""
    if not row.get("rainy"):
        return "does not name a rainy and a clean file, separated by a tab or a space"
    if split not in SPLITS:
        return f"split is {split!r}, not one of {', '.join(SPLITS)}"
    for name, below in ((row["rainy"], rainy), (row.get("clean", ""), clean)):
        if below.startswith("../"):
            return f"{name} lies outside the root {root}"
        if problem := name_problem(below):
            return f"names a file with {problem}"
        if name and not (root / below).is_file():
            return f"{name} is a folder" if (root / below).is_dir() else f"{name} does not exist"
    return f"{row['rainy']} stands twice" if rainy in seen else ""


def _below(roots: Sequence[Path], name: str) -> str:
    """Path relative to the root, as the file is stored. A leading "/" means the root, unless the path is absolute and
    within the root. roots: the root as given, absolute, and without links.
    """
    if not name:
        return ""
    home = next((root for root in roots if name.startswith(f"{root}/") and name.startswith("/")), None)
    below = os.path.relpath(name, home) if home else os.path.relpath(roots[0] / name.lstrip("/"), roots[0])
    # The list may write the same letters in another way, composed or decomposed, than the file system.
    spellings = (below, *(unicodedata.normalize(form, below) for form in ("NFC", "NFD")))
    return next((each for each in spellings if os.path.lexists(roots[0] / each)), below)
