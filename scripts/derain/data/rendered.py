"""Layout "rendered": rain rendered on photographs from scikit-image. Each photograph belongs to one split."""

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from derain.data.images import Pixels, boxed, opened
from derain.data.rain import Rain, add_rain
from derain.data.samples import SPLITS, Sample
from derain.errors import UserError

RENDERED = "rendered"


def root_of(section: dict[str, Any]) -> Path:
    """The root folder of a dataset's files; that of scikit-image's photographs for layout "rendered"."""
    if section["layout"] != RENDERED:
        return Path(section["root"])
    spec = find_spec("skimage")
    assert spec and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "data"


def rendered(
    rain: dict[str, Any], seed: int, renders: int, tile: int, tiles: int, **photographs: list[str]
) -> Iterator[Sample]:
    """The samples of a rendered dataset. Training: each whole photograph with `renders` different rains. Validation and
    test: from each photograph up to `tiles` evenly spread squares of side `tile` pixels, each with a rain of its own.

    rain: parameters of `derain.data.rain.Rain`; photographs: file names by split. Raises UserError if the installed
    scikit-image lacks a photograph.
    """
    for split_number, split in enumerate(SPLITS):
        for number, name in enumerate(photographs[split]):
            path = root_of({"layout": RENDERED}) / name
            if not path.is_file():
                raise UserError(f"the installed scikit-image ships no photograph {name!r}")
            with opened(path) as image:
                width, height = image.size
            whole = [(0, 0, height, width)] * renders
            boxes = whole if split == "train" else spread_tiles(height, width, tile, tiles)
            for copy, box in enumerate(boxes):
                recipe = json.dumps({"rain": rain, "seed": (seed, split_number, number, copy), "box": box})
                stem = Path(name).stem
                yield Sample(split, stem, f"{stem}-{copy}", "", name, "", recipe, box[2], box[3])


def spread_tiles(height: int, width: int, side: int, count: int) -> list[tuple[int, int, int, int]]:
    """(top, left, height, width) of at most `count` squares, evenly chosen from a grid over the image; pixels."""
    side = min(side, height, width)
    grid = [(y, x, side, side) for y in range(0, height - side + 1, side) for x in range(0, width - side + 1, side)]
    chosen = np.linspace(0, len(grid) - 1, min(count, len(grid))).astype(int)
    return [grid[n] for n in chosen]


def render(photograph: Pixels, recipe: str) -> tuple[Pixels, Pixels]:
    """Render a sample from its recipe: (rainy, clean), each (H, W, 3) uint8. photograph: the whole one."""
    made = json.loads(recipe)
    clean = boxed(photograph, made["box"])
    return add_rain(clean, Rain(**made["rain"]), tuple(made["seed"])), clean
