"""Lists of pairs (text, as SPA-Data's real_world.txt, or CSV) and lists of scenes (text)."""

import csv
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from derain.data.matching import name_problem
from derain.data.samples import SPLITS, Sample


@dataclass
class Listed:
    """The pairs of a list, and (place, problem) for each fault. place: list:line, or the list if it cannot be read."""

    samples: list[Sample] = field(default_factory=list)
    amiss: list[tuple[str, str]] = field(default_factory=list)


def listed_pairs(root: Path, name: str, split: str, unnamed: str) -> Listed:
    """Pairs of `split` in the list `name` below `root`; none if the file does not exist.

    Text: one pair per line, rainy and clean path, separated by a tab or, in a line without tabs, by spaces. CSV:
    columns rainy, clean and, optionally, scene and split; unnamed: the split of rows without one. Paths are relative to
    the root, also if they begin with "/". The scene defaults to the clean path: pairs of one clean image are one scene.
    """
    listed = Listed()
    path = root / name
    if not path.is_file():
        return listed
    try:
        rows = _csv_rows(path) if path.suffix.lower() == ".csv" else _text_rows(path)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        listed.amiss.append((name, f"cannot be read as a list of pairs ({error})"))
        return listed
    seen: set[str] = set()
    for line, row in rows:
        of_split = row.get("split") or unnamed
        problem = _problem(root, row, of_split, seen)
        if problem:
            listed.amiss.append((f"{name}:{line}", problem))
        elif of_split == split:
            rainy, clean = _below(root, row["rainy"]), _below(root, row["clean"])
            listed.samples.append(Sample(split, row.get("scene") or clean or rainy, rainy, rainy, clean))
            seen.add(rainy)
    return listed


def listed_scenes(path: Path) -> set[str]:
    """The non-empty lines of a text file: names of scenes or of their images. Raises OSError, UnicodeDecodeError."""
    return {line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()}


def _text_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if line.strip():
            names = line.strip().split("\t" if "\t" in line.strip() else None)
            rows.append((number, dict(zip(("rainy", "clean"), names, strict=True)) if len(names) == 2 else {}))
    return rows


def _csv_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, strict=True)
        if "rainy" not in (reader.fieldnames or []):
            raise ValueError("the columns rainy and clean are needed")
        return [(reader.line_num, {key: value or "" for key, value in row.items() if key}) for row in reader]


def _problem(root: Path, row: dict[str, str], split: str, seen: set[str]) -> str:
    if not row.get("rainy"):
        return "does not name a rainy and a clean file, separated by a tab or a space"
    if split not in SPLITS:
        return f"split is {split!r}, not one of {', '.join(SPLITS)}"
    for name in (row["rainy"], row.get("clean", "")):
        below = _below(root, name)
        if below.startswith("../"):
            return f"{name} lies outside the root {root}"
        if problem := name_problem(below):
            return f"names a file with {problem}"
        if name and not (root / below).is_file():
            return f"{name} is a folder" if (root / below).is_dir() else f"{name} does not exist"
    return f"{row['rainy']} stands twice" if _below(root, row["rainy"]) in seen else ""


def _below(root: Path, name: str) -> str:
    """Path relative to the root. A leading "/" means the root, unless the path is absolute and within the root."""
    if not name:
        return ""
    if name.startswith("/") and not name.startswith(f"{root}/"):
        name = name.lstrip("/")
    return PurePosixPath(os.path.relpath(root / name, root)).as_posix()
