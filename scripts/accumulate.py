"""Accumulate Ω̄ over the datasets of a path, from Ω̄ of the predecessor and Ω of the stage's own dataset."""

from derain.errors import as_job
from derain.files import tensors
from derain.files.digest import file_digest
from derain.files.metadata import check
from derain.method.accumulation import accumulate
from derain.plan.recipes import AccumulationRecipe

with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    files = snakemake.input
    (past, _), (new, metadata) = (tensors.read(path) for path in (files.past, files.new))
    recipe = AccumulationRecipe(**snakemake.params.recipe)
    accumulated = accumulate(past, new, recipe.datasets, recipe.how, recipe.alpha)
    parents = {"theta": metadata["parents"]["theta"], "past": file_digest(files.past), "new": file_digest(files.new)}
    tensors.write(snakemake.output[0], accumulated, recipe.plain() | {"parents": parents})
