"""Two results folders side by side: whether they hold the same tensors, tables and pictures, bit for bit.

    python benchmarks/compare.py BEFORE/results AFTER/results

Compared are θ, Ω, Ω̄ and memories by their tensors (not their metadata, which hold digests of code), tables without the
columns that hold seconds, packed pixels, previews, and the SVG figures. Prints a line for each kind of file and each
difference; ends with status 1 where there is one.
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

SECONDS = {"seconds", "images_per_second", "cpu_seconds", "max_rss_mib"}
PATTERNS = ("*.safetensors", "*.csv", "*.bin", "*.npz", "*.svg", "*.tex")
LEFT_OUT = {"cost.csv"}  # which holds nothing but times and memory


def content(path: Path) -> Any:
    """What is compared of a file."""
    if path.suffix == ".safetensors":
        with safe_open(path, framework="numpy") as file:
            return {name: _bits(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118 (no dict)
    if path.suffix == ".npz":
        with np.load(path) as file:
            return {name: _bits(file[name]) for name in file.files}
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return [{k: v for k, v in row.items() if k not in SECONDS} for row in csv.DictReader(file)]
    return path.read_bytes()


def _bits(array: np.ndarray) -> tuple[Any, ...]:
    return array.dtype.str, array.shape, array.tobytes()


def files(folder: Path) -> set[str]:
    """The files of a folder that are compared."""
    found: Iterable[Path] = (path for pattern in PATTERNS for path in folder.rglob(pattern))
    return {str(path.relative_to(folder)) for path in found if path.name not in LEFT_OUT and "/parts/" not in str(path)}


def main() -> None:
    """Compare, print, judge."""
    before, after = map(Path, sys.argv[1:])
    names = {folder: files(folder) for folder in (before, after)}
    lines = [f"only in {folder}: {name}" for folder, other in ((before, after), (after, before))
             for name in sorted(names[folder] - names[other])]  # fmt: skip
    same: Counter[str] = Counter()
    for name in sorted(names[before] & names[after]):
        if content(before / name) == content(after / name):
            same[Path(name).suffix] += 1
        else:
            lines.append(f"differs: {name}")
    print(*lines, sep="\n")
    print("equal bit for bit:", ", ".join(f"{count} {suffix}" for suffix, count in sorted(same.items())) or "nothing")
    sys.exit(bool(lines) or not same)


if __name__ == "__main__":
    main()
