"""Merge the shards of one Ω, or import an Ω that is given with the weights."""

from derain.errors import as_job
from derain.files import tensors
from derain.files.digest import check_digest, file_digest
from derain.files.metadata import check
from derain.method import accumulation as omega
from derain.plan.recipes import GivenImportanceRecipe
from derain.training.checkpoint import discard


def merged_shards() -> tuple[tensors.Arrays, str]:
    """Ω, and the digest of θ, the same for all shards: see check."""
    discard(snakemake.input.shards)
    shards = [tensors.read(path) for path in snakemake.input.shards]
    return omega.merge((sums, metadata["count"]) for sums, metadata in shards), shards[0][1]["parents"]["theta"]


def imported(path: str) -> tuple[tensors.Arrays, str]:
    """The given Ω, and the digest of θ."""
    from derain.training.given import given_importance  # late: to merge shards takes no torch
    from derain.training.network import network_on, section_of

    recipe, theta = GivenImportanceRecipe(**snakemake.params.recipe), snakemake.input.theta
    found = given_importance(path, network_on("cpu", section_of(recipe, snakemake.config), 1, theta))
    check_digest(path, recipe.omega)  # after reading, to find a file that was replaced before
    return found, file_digest(theta)


with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    given = "omega" in snakemake.params.recipe
    arrays, theta = imported(snakemake.params.given) if given else merged_shards()
    tensors.write(snakemake.output[0], arrays, {**snakemake.params.recipe, "parents": {"theta": theta}})
