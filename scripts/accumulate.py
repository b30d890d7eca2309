"""Ω̄ over the datasets of a path: that of its predecessor, and Ω of its own dataset."""

from derain.errors import exit_in_one_line
from derain.files import tensors
from derain.method import accumulation as omega

with exit_in_one_line(snakemake.log[0]):
    (past, _), (new, _) = (tensors.read(path) for path in (snakemake.input.past[0], snakemake.input.new))
    spec = snakemake.params.spec
    accumulated = omega.accumulate(past, new, spec["datasets"], spec["how"], spec["alpha"])
    tensors.write(snakemake.output[0], accumulated, spec)
