"""Gather how far each layer moved in each stage."""

from derain.errors import exit_in_one_line
from derain.evaluation.layers import moves_table

with exit_in_one_line(snakemake.log[0]):
    stages = zip(snakemake.params.stages, snakemake.input.before, snakemake.input.after, strict=True)
    moves_table(stages).to_csv(snakemake.output[0], index=False, float_format="%.6g")
