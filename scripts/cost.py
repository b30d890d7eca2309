"""Write the cost of the jobs, by rule."""

from pathlib import Path

from derain.errors import exit_in_one_line
from derain.files.rows import write_rows
from derain.run.cost import COLUMNS, cost_rows

with exit_in_one_line(snakemake.log[0]):
    write_rows(Path(snakemake.output[0]), COLUMNS, cost_rows(snakemake.params.files))
