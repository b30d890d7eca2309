"""Score a blend of the networks before and after a stage on the test images of the datasets learned so far."""

from derain.errors import as_job
from derain.evaluation.scores import write_scores
from derain.files.metadata import check
from derain.plan.recipes import ChordRecipe
from derain.training.chord import score_blend

with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    files, recipe = snakemake.input, ChordRecipe(**snakemake.params.recipe)
    stores = list(zip(files.tables, files.pixels, strict=True))
    rows = score_blend(recipe, files.thetas, files.omegas, stores, snakemake.config, snakemake.log[0])
    write_scores(snakemake.output[0], rows)
