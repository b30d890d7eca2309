"""Add the rain intensities of a dataset's training patches to those of the earlier datasets."""

from derain.errors import exit_in_one_line
from derain.files import tensors
from derain.files.metadata import check
from derain.method.intensity import intensity
from derain.plan.recipes import StateRecipe
from derain.training.state import samplers

with exit_in_one_line(snakemake.log[0]):
    check(snakemake.params.recipes)
    files, recipe = snakemake.input, StateRecipe(**snakemake.params.recipe)
    past = tensors.read(files.past)[0] if "past" in files.keys() else {}  # noqa: SIM118 (no dict)
    patches = samplers(recipe, files.tables, files.pixels, recipe.options["patches"])
    new = {dataset: intensity(*sampler[0]).numpy() for dataset, sampler in patches}
    tensors.write(snakemake.output[0], past | new, recipe.plain())
