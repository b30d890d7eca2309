"""Draws of the rain of each rendered pair: one kind of a list, or a rain layer of another dataset.

A draw depends on the dataset's seed, on the pair's name and on what there is to choose from, but not on other pairs.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from derain.data.findings import ERROR, Finding
from derain.data.photographs import number_of
from derain.data.samples import SPLITS, Sample
from derain.data.store import pairs_digest

KIND, LAYER = 1, 2  # end of a seed, so that neither draw is one with those of the streaks


def source_of(rain: Any) -> str | None:
    """The dataset whose layers a dataset with this `rain` takes, or None."""
    return rain.get("layers_of") if isinstance(rain, Mapping) else None


def draw_rain(
    samples: Iterable[Sample], rain: Any, seed: int, sources: Mapping[str, Sequence[Sample]]
) -> tuple[list[Sample], list[Finding]]:
    """Complete the recipes of rendered pairs, in which `rain` is still that of the config.

    A list of kinds: each pair draws one, with equal probability. Layers of another dataset: each pair draws one of the
    pairs in the same split of that dataset (`derain.data.layers`). One kind: nothing changes. sources: pairs of these
    other datasets by name. Returns the samples that have a rain, and a finding for each split without layers.
    """
    samples = list(samples)
    if source := source_of(rain):
        return _layers(samples, source, seed, sources[source])
    if isinstance(rain, Mapping):
        return samples, []
    drawn = []
    for sample in samples:
        kind = rain[int(_generator(seed, sample, KIND).integers(len(rain)))]
        drawn.append(replace(sample, recipe=json.dumps(json.loads(sample.recipe) | {"rain": kind})))
    return drawn, []


def _layers(
    samples: Sequence[Sample], source: str, seed: int, pairs: Sequence[Sample]
) -> tuple[list[Sample], list[Finding]]:
    of_split = {split: [pair for pair in pairs if pair.split == split and pair.clean] for split in SPLITS}
    drawn, lacking = [], {}
    for sample in samples:
        choice = of_split[sample.split]
        if not choice:
            text = f"rain.layers_of: {source} has no {sample.split} pair with a clean image"
            lacking[sample.split] = Finding(ERROR, sample.split, "", text)
            continue
        generator = _generator(seed, sample, LAYER)
        pair = choice[int(generator.integers(len(choice)))]
        # A layer that covers the image is cropped, a smaller one starts anywhere and goes on at its other side.
        sides = ((pair.height, sample.height), (pair.width, sample.width))
        corner = [int(generator.integers(have - want + 1 if have >= want else have)) for have, want in sides]
        layer = {"split": pair.split, "name": pair.name, "pair": pairs_digest([pair]), "corner": corner}
        drawn.append(replace(sample, recipe=json.dumps({"layer": layer, "box": json.loads(sample.recipe)["box"]})))
    return drawn, list(lacking.values())


def _generator(seed: int, sample: Sample, use: int) -> np.random.Generator:
    return np.random.default_rng((seed, number_of(sample.name), use))
