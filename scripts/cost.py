"""Gather what the jobs cost, by rule."""

from pathlib import Path

from derain.cost import COLUMNS, cost_rows
from derain.data.tables import write_rows
from derain.errors import exit_in_one_line

with exit_in_one_line(snakemake.log[0]):
    write_rows(Path(snakemake.output[0]), COLUMNS, cost_rows(snakemake.params.files))
