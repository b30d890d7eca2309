"""Choose the strengths of a method for one stage among its candidates."""

from pathlib import Path

from derain.data.store import PackedPairs
from derain.errors import as_job
from derain.files.metadata import check
from derain.files.rows import write_rows
from derain.plan.recipes import ChoiceRecipe
from derain.training.checkpoint import discard
from derain.training.search import search_rows

with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    files, recipe = snakemake.input, ChoiceRecipe(**snakemake.params.recipe)
    discard(files.thetas)
    pairs = PackedPairs(zip(files.tables, files.pixels, recipe.datasets.values(), strict=True), "validation")
    rows = search_rows(recipe, pairs, files.theta, files.get("omega"), files.thetas, files.trainings)
    write_rows(Path(snakemake.output[0]), list(rows[0]), rows)
