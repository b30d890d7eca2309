"""Score the network of a stage on the test images of datasets, and save some outputs as previews."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
from derain.data.store import PackedPairs, near
from derain.errors import as_job
from derain.evaluation.cached import read_part, write_part
from derain.evaluation.previews import chosen
from derain.evaluation.scores import Image, idle_processors, rainy_psnr, score_outputs, write_scores
from derain.files.digest import file_digest
from derain.files.metadata import check
from derain.plan.recipes import EvaluationRecipe
from derain.training.checkpoint import discard
from numpy.typing import NDArray


@cache
def restoring() -> tuple[Callable[[Image], NDArray[np.float32]], int]:
    """Return the function that restores an image, and the number of threads that score beside it. Torch is imported
    only here, and not if all scores are cached.
    """
    from derain.evaluation.tiles import restored_output
    from derain.training.network import network_on, section_of

    theta, device = snakemake.input.theta, snakemake.config["device"]
    section = section_of(recipe, snakemake.config)
    network = network_on(device, section, recipe.threads, theta)
    return partial(restored_output, network, side=recipe.tile, theta=theta), idle_processors(network)


with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    discard([snakemake.input.theta])
    recipe = EvaluationRecipe(**snakemake.params.recipe)
    decided_by = {**recipe.plain(), "theta": file_digest(snakemake.input.theta)}
    rows, previews = [], {}
    files = zip(snakemake.input.tables, snakemake.input.pixels, strict=True)
    each = zip(recipe.datasets.items(), files, snakemake.input.rainy, strict=True)
    for (dataset, digest), store, rainy in each:
        file = Path(snakemake.output.scores).parent / "parts" / f"{dataset}.safetensors"
        key = decided_by | {"datasets": {dataset: digest}}
        part = read_part(file, key)
        if part is None:
            stores = near([(*store, digest)], snakemake.config["local_scratch"], snakemake.log[0])
            pairs = PackedPairs(stores, "test")
            shown = chosen([row.name for row in pairs.rows], rainy_psnr(rainy), recipe.previews)
            output, scorers = restoring()
            part = score_outputs(dataset, pairs, output, recipe.rounding, shown, recipe.ssim, scorers)
            write_part(file, key, part)
        rows += part[0]
        previews |= part[1]
    write_scores(snakemake.output.scores, rows)
    np.savez_compressed(snakemake.output.previews, **previews)
