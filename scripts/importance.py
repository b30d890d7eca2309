"""Merge the shards of one Ω, or import an Ω that is given with the weights."""

from derain.errors import as_job
from derain.files import tensors
from derain.files.digest import file_digest
from derain.files.metadata import check
from derain.method.accumulation import merge
from derain.plan.recipes import GivenImportanceRecipe
from derain.training.checkpoint import discard

with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    files, params = snakemake.input, snakemake.params
    if "omega" in params.recipe:
        from derain.training.given import import_importance  # late: to merge shards takes no torch

        recipe = GivenImportanceRecipe(**params.recipe)
        omega = import_importance(params.given, recipe, files.theta, snakemake.config)
        theta = file_digest(files.theta)
    else:
        discard(files.shards)
        shards = [tensors.read(path) for path in files.shards]
        omega = merge((sums, metadata["count"]) for sums, metadata in shards)
        theta = shards[0][1]["parents"]["theta"]  # the same for all shards: see check
    tensors.write(snakemake.output[0], omega, {**params.recipe, "parents": {"theta": theta}})
