"""Layout "folders": pairs of images on disk, found by a pattern for each side.

A pattern is a path below the root in which {scene} stands for what the two partners have in common, and * for
anything else within one path part: "rain/norain-{scene}x2.png" and "norain/norain-{scene}.png" are partners where
{scene} is the same.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from derain.data.images import read_rgb, size_of
from derain.data.samples import Image, Sample
from derain.errors import UserError


def folders(
    root: str,
    train: dict[str, Any] | None,
    validation: dict[str, Any] | None,
    test: dict[str, Any] | None,
    validation_share: float,
    seed: int,
) -> Iterator[Sample]:
    """The pairs below `root`. Where `validation` has no patterns, a seeded share of the training scenes is held out."""
    for split, patterns in (("train", train), ("validation", validation), ("test", test)):
        if patterns is None:
            continue
        pairs = list(_pairs(Path(root), **patterns))
        held_out = set()
        if split == "train" and validation is None:
            held_out = _hold_out({scene for scene, *_ in pairs}, validation_share, seed)
        for scene, rainy, clean in pairs:
            height, width = size_of(rainy)
            if clean is not None and size_of(clean) != (height, width):
                raise UserError(f"{rainy} and {clean} are not of the same size")
            name = f"{split}/{rainy.relative_to(root).as_posix()}"
            files = (rainy,) if clean is None else (rainy, clean)
            where = "validation" if scene in held_out else split
            yield Sample(where, scene, name, height, width, files, partial(_load, rainy, clean))


def _load(rainy: Path, clean: Path | None) -> tuple[Image, Image | None]:
    return read_rgb(rainy), None if clean is None else read_rgb(clean)


def _hold_out(scenes: set[str], share: float, seed: int) -> set[str]:
    ordered = sorted(scenes)
    if len(ordered) < 2:
        raise UserError("one training scene cannot be split into training and validation: give validation patterns")
    count = min(max(1, round(share * len(ordered))), len(ordered) - 1)
    return {ordered[n] for n in np.random.default_rng(seed).permutation(len(ordered))[:count]}


def _pairs(root: Path, rainy: str, clean: str | None) -> Iterator[tuple[str, Path, Path | None]]:
    rainy_files = _matches(root, rainy)
    if clean is None:
        yield from ((scene, path, None) for path, scene in rainy_files.items())
        return
    partner = {scene: path for path, scene in _matches(root, clean).items()}
    for path, scene in rainy_files.items():
        if scene not in partner:
            raise UserError(f"{path}: no clean partner matches {clean!r} with {{scene}} = {scene!r}")
        yield scene, path, partner[scene]


def _matches(root: Path, pattern: str) -> dict[Path, str]:
    """Files that match, in the order of their paths, and the {scene} of each."""
    parts = re.split(r"(\{scene\}|\*)", pattern)
    regex = re.compile("".join({"{scene}": "(?P<scene>[^/]+)", "*": "[^/]*"}.get(p, re.escape(p)) for p in parts))
    found = {}
    for path in sorted(root.glob(pattern.replace("{scene}", "*"))):
        match = regex.fullmatch(path.relative_to(root).as_posix())
        if match:
            found[path] = match["scene"]
    if not found:
        raise UserError(f"{root}: no file matches {pattern!r}")
    return found
