"""Write the cost of the jobs, by rule."""

from pathlib import Path

from derain.errors import as_job
from derain.files.rows import write_rows
from derain.run.cost import COLUMNS, cost_rows

with as_job(snakemake.log[0]):
    write_rows(Path(snakemake.output[0]), COLUMNS, cost_rows(snakemake.params.files))
