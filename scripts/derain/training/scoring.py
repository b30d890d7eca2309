"""Scores the network of a stage on test images (rule `evaluate`). Scores that are cached are not computed again."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derain.data.store import PackedPairs, near
from derain.evaluation.cached import Part, read_part, write_part
from derain.evaluation.previews import chosen
from derain.evaluation.scores import Image, ScoreRow, idle_processors, psnr_of_rainy, score_outputs
from derain.files.digest import file_digest
from derain.plan.recipes import EvaluationRecipe

Restoring = tuple[Callable[[Image], NDArray[np.float32]], int]


def score_stage(
    recipe: EvaluationRecipe,
    theta: str,
    stores: Sequence[tuple[str, str]],
    rainy: Sequence[str],
    cached: Path,
    config: Mapping[str, Any],
    log: str,
) -> Part:
    """Rows and previews of all datasets of the recipe, as `score_outputs` returns them.

    theta: file of θ; stores: pairs.csv and pixels.bin of each dataset; rainy: its table of `score_rainy`; cached: the
    folder of derain.evaluation.cached; config: the config of the experiment, as plain values; log: of the job.
    """
    decided_by = {**recipe.plain(), "theta": file_digest(theta)}
    restoring = cache(partial(_restoring, recipe, theta, config))
    rows: list[ScoreRow] = []
    previews: dict[str, Image] = {}
    for (dataset, digest), store, table in zip(recipe.datasets.items(), stores, rainy, strict=True):
        file, key = cached / f"{dataset}.safetensors", decided_by | {"datasets": {dataset: digest}}
        part = read_part(file, key)
        if part is None:
            pairs = PackedPairs(near([(*store, digest)], config["local_scratch"], log), "test")
            psnr = psnr_of_rainy(table, [row.name for row in pairs.rows if row.clean])
            shown = chosen([row.name for row in pairs.rows], psnr, recipe.previews)
            output, scorers = restoring()
            part = score_outputs(dataset, pairs, output, recipe.rounding, shown, recipe.ssim, scorers)
            write_part(file, key, part)
        rows += part[0]
        previews |= part[1]
    return rows, previews


def _restoring(recipe: EvaluationRecipe, theta: str, config: Mapping[str, Any]) -> Restoring:
    """The function that restores an image, and the number of threads that score beside it. Torch is imported only here,
    and not if all scores are cached.
    """
    from derain.evaluation.tiles import restored_output
    from derain.training.network import network_on, section_of

    network = network_on(config["device"], section_of(recipe, config), recipe.threads, theta)
    return partial(restored_output, network, side=recipe.tile, theta=theta), idle_processors(network)
