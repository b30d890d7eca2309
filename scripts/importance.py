"""Merge the shards of one Ω."""

from derain.errors import exit_in_one_line
from derain.files import tensors
from derain.method import accumulation as omega
from derain.training.checkpoint import discard

with exit_in_one_line(snakemake.log[0]):
    tensors.check(snakemake.params.recipes)
    discard(snakemake.input.shards)
    shards = [tensors.read(path) for path in snakemake.input.shards]
    merged = omega.merge((sums, metadata["count"]) for sums, metadata in shards)
    parents = shards[0][1]["parents"]  # θ, which is the same of all: tensors.check
    tensors.write(snakemake.output[0], merged, {**snakemake.params.recipe, "parents": parents})
