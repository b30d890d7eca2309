"""Add the rain intensities of a dataset's training patches to those of the earlier datasets."""

from derain.data.patches import PatchSampler
from derain.data.store import PackedPairs
from derain.errors import exit_in_one_line
from derain.files import tensors
from derain.files.metadata import check
from derain.method.intensity import intensity
from derain.plan.recipes import StateRecipe
from derain.training.streams import STATE

with exit_in_one_line(snakemake.log[0]):
    check(snakemake.params.recipes)
    files, recipe = snakemake.input, StateRecipe(**snakemake.params.recipe)
    past = tensors.read(files.past)[0] if "past" in files.keys() else {}  # noqa: SIM118 (no dict)
    new = {}
    each = zip(recipe.datasets.items(), files.tables, files.pixels, strict=True)
    for n, ((dataset, digest), table, pixels) in enumerate(each, recipe.depth - len(recipe.datasets) + 1):
        pairs = PackedPairs([(table, pixels, digest)], "train")
        patches = PatchSampler(pairs, recipe.patch, recipe.options["patches"], (recipe.seed, STATE, n))
        new[dataset] = intensity(*patches[0]).numpy()
    tensors.write(snakemake.output[0], past | new, recipe.plain())
