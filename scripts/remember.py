"""Add patches of a dataset (pairs or rain layers) to the memory of the earlier datasets."""

from derain.errors import exit_in_one_line
from derain.files import tensors
from derain.files.metadata import check
from derain.method.memory import POOL, chosen, stored_form
from derain.plan.recipes import StateRecipe
from derain.training.state import samplers

with exit_in_one_line(snakemake.log[0]):
    check(snakemake.params.recipes)
    files, recipe = snakemake.input, StateRecipe(**snakemake.params.recipe)
    keep, count, select = (recipe.options[name] for name in ("keep", "patches", "select"))
    past = tensors.read(files.past)[0] if "past" in files.keys() else {}  # noqa: SIM118 (no dict)
    new = {}
    for dataset, pool in samplers(recipe, files.tables, files.pixels, POOL * count):
        rainy, clean = pool[0]
        mine = chosen(select, rainy, clean, count, pool.seed)
        new[dataset] = stored_form(keep, rainy[mine], clean[mine])
    tensors.write(snakemake.output[0], past | new, recipe.plain())
