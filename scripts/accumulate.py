"""Ω̄ over the datasets of a path: that of its predecessor, and Ω of its own dataset."""

from derain.errors import exit_in_one_line
from derain.files import tensors
from derain.method.accumulation import accumulate
from derain.plan.recipes import AccumulationRecipe

with exit_in_one_line(snakemake.log[0]):
    (past, _), (new, _) = (tensors.read(path) for path in (snakemake.input.past, snakemake.input.new))
    recipe = AccumulationRecipe(**snakemake.params.recipe)
    accumulated = accumulate(past, new, recipe.datasets, recipe.how, recipe.alpha)
    tensors.write(snakemake.output[0], accumulated, recipe.plain())
