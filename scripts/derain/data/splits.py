"""Moving of training scenes to other splits: named by a list, or drawn by a seed. All pairs of a scene, and all scenes
of one background (derain.data.backgrounds), stay together.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from derain.data.findings import ERROR, Finding
from derain.data.lists import listed_scenes
from derain.data.matching import composed
from derain.data.samples import Sample


def name_scenes(
    samples: list[Sample], split: str, path: Path, background: Mapping[str, str]
) -> tuple[list[Sample], list[Finding]]:
    """Move training samples to `split` if the list at `path` names their scene or one of their images, or those of
    another scene with the same background. Names that match no training pair are findings.

    background: for scenes that share a background, their common name (derain.data.backgrounds).
    """
    try:
        wanted = {composed(name) for name in listed_scenes(path)}
    except (OSError, UnicodeDecodeError) as error:
        return samples, [Finding(ERROR, split, str(path), f"cannot be read as a list of scenes ({error})")]
    named = {sample.scene for sample in samples if sample.split == "train" and wanted & _names(sample)}
    backgrounds = {background.get(scene, scene) for scene in named}
    scenes = {sample.scene for sample in samples if background.get(sample.scene, sample.scene) in backgrounds}
    known = set().union(*(_names(sample) for sample in samples if sample.split == "train"))
    missing = [
        Finding(ERROR, split, str(path), f"{name!r} is no scene or image file of the training pairs")
        for name in sorted(wanted - known)
    ]
    return _move(samples, scenes, split), missing


def draw_scenes(samples: list[Sample], split: str, share: float, seed: int) -> tuple[list[Sample], list[Finding]]:
    """Move a random share of the training scenes to `split`: at least one scene, and at least one stays in training."""
    scenes = sorted({sample.scene for sample in samples if sample.split == "train"})
    if len(scenes) < 2:
        text = f"one training scene cannot be divided into train and {split}"
        return samples, [Finding(ERROR, split, "", text)] if scenes else []
    count = min(max(1, round(share * len(scenes))), len(scenes) - 1)
    drawn = {scenes[n] for n in np.random.default_rng(seed).permutation(len(scenes))[:count]}
    return _move(samples, drawn, split), []


def _names(sample: Sample) -> set[str]:
    """The names that a list may use for a sample: its scene, and its files with or without folders."""
    files = {sample.rainy, sample.clean} - {""}
    names = {sample.scene} | files | {PurePosixPath(file).name for file in files}
    return {composed(name) for name in names}


def _move(samples: Iterable[Sample], scenes: set[str], split: str) -> list[Sample]:
    return [
        replace(sample, split=split) if sample.split == "train" and sample.scene in scenes else sample
        for sample in samples
    ]
