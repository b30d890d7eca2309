"""Merge the shards of one Ω."""

from derain.errors import exit_in_one_line
from derain.files import tensors
from derain.files.metadata import check
from derain.method import accumulation as omega
from derain.training.checkpoint import discard

with exit_in_one_line(snakemake.log[0]):
    check(snakemake.params.recipes)
    discard(snakemake.input.shards)
    shards = [tensors.read(path) for path in snakemake.input.shards]
    merged = omega.merge((sums, metadata["count"]) for sums, metadata in shards)
    parents = shards[0][1]["parents"]  # θ, the same for all shards: see check
    tensors.write(snakemake.output[0], merged, {**snakemake.params.recipe, "parents": parents})
