"""Merge the shards of one Ω."""

from derain import omega, weights
from derain.checkpoint import discard
from derain.errors import exit_in_one_line

with exit_in_one_line(snakemake.log[0]):
    discard(snakemake.input.shards)
    shards = [weights.read(path) for path in snakemake.input.shards]
    merged = omega.merge((sums, metadata["count"]) for sums, metadata in shards)
    weights.write(snakemake.output[0], merged, snakemake.params.spec)
