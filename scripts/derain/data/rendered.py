"""Layout "rendered": rain rendered on photographs that scikit-image ships, split by photograph."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from derain.data.images import read_rgb, size_of
from derain.data.rain import Rain, add_rain
from derain.data.samples import Image, Sample
from derain.errors import UserError

SPLITS = ("train", "validation", "test")


def rendered(
    rain: dict[str, Any], seed: int, renders: int, tile: int, tiles: int, **photographs: list[str]
) -> Iterator[Sample]:
    """Training: each photograph whole, under `renders` rains. Validation and test: `tiles` squares of each, evenly
    spread over the photograph, each under a rain of its own. photographs: file names by split.
    """
    kind = Rain(**rain)
    for split_number, split in enumerate(SPLITS):
        for number, name in enumerate(photographs[split]):
            path = photograph(name)
            height, width = size_of(path)
            whole = [(0, 0, height, width)] * renders
            boxes = whole if split == "train" else spread_tiles(height, width, tile, tiles)
            for copy, box in enumerate(boxes):
                key = (seed, split_number, number, copy)
                load = partial(_render, path, box, kind, key)
                yield Sample(split, Path(name).stem, f"{Path(name).stem}-{copy}", box[2], box[3], (path,), load)


def photograph(name: str) -> Path:
    """Where scikit-image keeps it. Raises UserError where this release ships no such file."""
    from importlib.util import find_spec

    spec = find_spec("skimage")
    assert spec and spec.submodule_search_locations
    path = Path(spec.submodule_search_locations[0]) / "data" / name
    if not path.is_file():
        raise UserError(f"the installed scikit-image ships no photograph {name!r}")
    return path


def spread_tiles(height: int, width: int, side: int, count: int) -> list[tuple[int, int, int, int]]:
    """(top, left, height, width) of at most `count` squares of the grid that fits into the image, evenly spread."""
    side = min(side, height, width)
    grid = [(y, x, side, side) for y in range(0, height - side + 1, side) for x in range(0, width - side + 1, side)]
    chosen = np.linspace(0, len(grid) - 1, min(count, len(grid))).astype(int)
    return [grid[n] for n in chosen]


def _render(path: Path, box: tuple[int, int, int, int], rain: Rain, key: tuple[int, ...]) -> tuple[Image, Image]:
    top, left, height, width = box
    clean = read_rgb(path)[top : top + height, left : left + width]
    return add_rain(clean, rain, key), clean
