"""Gather the training tables of all stages."""

from derain.errors import exit_in_one_line
from derain.evaluation.tables import gather

with exit_in_one_line(snakemake.log[0]):
    gather(snakemake.input, snakemake.params.stages).to_csv(snakemake.output[0], index=False)
