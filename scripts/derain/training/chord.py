"""Scores a blend of the networks before and after a stage on test images (rules `chord` and `chord_weighted`)."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from derain.data.store import PackedPairs, near
from derain.evaluation.scores import ScoreRow, idle_processors, score_outputs
from derain.evaluation.tiles import restored_output
from derain.files import tensors
from derain.method.accumulation import accumulate
from derain.method.blend import blended
from derain.networks.weights import load_arrays
from derain.plan.recipes import ChordRecipe
from derain.training.network import network_on, section_of


def score_blend(
    recipe: ChordRecipe,
    thetas: Sequence[str],
    omegas: Sequence[str],
    stores: Sequence[tuple[str, str]],
    config: Mapping[str, Any],
    log: str,
) -> list[ScoreRow]:
    """Rows of all datasets of the recipe, as `score_outputs` returns them.

    thetas: files of θⁿ and θⁿ⁺¹; omegas: files of Ω of the stages up to θⁿ⁺¹, in their order, empty for the plain
    blend; stores: pairs.csv and pixels.bin of each dataset; config: the config of the experiment, as plain values; log:
    of the job.
    """
    before, after = (tensors.read(theta)[0] for theta in thetas)
    weighted = _weighted(omegas, recipe.at_once) if omegas else None
    network = network_on(config["device"], section_of(recipe, config), recipe.threads)
    load_arrays(network, blended(before, after, recipe.alpha, weighted))
    name = f"{thetas[1]} and the one before it, blended with alpha {recipe.alpha:g}"
    output = partial(restored_output, network, side=recipe.tile, theta=name)
    rows: list[ScoreRow] = []
    for (dataset, digest), store in zip(recipe.datasets.items(), stores, strict=True):
        pairs = PackedPairs(near([(*store, digest)], config["local_scratch"], log), "test")
        rows += score_outputs(dataset, pairs, output, recipe.rounding, (), recipe.ssim, idle_processors(network))[0]
    return rows


def _weighted(omegas: Sequence[str], at_once: int) -> tuple[tensors.Arrays, tensors.Arrays]:
    """The omegas of `blended`: the mean over the old datasets, of which the first stage learned `at_once`, and Ω of the
    new one.
    """
    old, *others, new = (tensors.read(omega)[0] for omega in omegas)
    for learned, omega in enumerate(others, at_once):
        old = accumulate(old, omega, learned, "mean", 0)
    return old, new
