"""Score the network of a stage on the test images of datasets, and save some outputs as previews."""

from pathlib import Path

import numpy as np
from derain.errors import as_job
from derain.evaluation.scores import write_scores
from derain.files.metadata import check
from derain.plan.recipes import EvaluationRecipe
from derain.training.checkpoint import discard
from derain.training.scoring import score_stage

with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    files, output = snakemake.input, snakemake.output
    discard([files.theta])
    recipe = EvaluationRecipe(**snakemake.params.recipe)
    stores, cached = list(zip(files.tables, files.pixels, strict=True)), Path(output.scores).parent / "parts"
    rows, previews = score_stage(recipe, files.theta, stores, files.rainy, cached, snakemake.config, snakemake.log[0])
    write_scores(output.scores, rows)
    np.savez_compressed(output.previews, **previews)
