"""Make the state that an ingredient carries after a stage, from training patches and the state of the stage before."""

from functools import partial
from importlib import import_module

from derain.errors import as_job
from derain.files import tensors
from derain.files.metadata import check
from derain.plan.recipes import StateRecipe
from derain.training.state import samplers

with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    files, recipe = snakemake.input, StateRecipe(**snakemake.params.recipe)
    arrays = {name: tensors.read(file)[0] for name in ("past", "theta") if (file := files.get(name))}
    make = import_module(recipe.module).state
    made = make(
        partial(samplers, recipe, files.tables, files.pixels), arrays.pop("past", {}), **arrays, **recipe.options
    )
    tensors.write(snakemake.output[0], made, recipe.plain())
