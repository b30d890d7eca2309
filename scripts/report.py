"""Build the page."""

from derain.errors import exit_in_one_line
from derain.files.atomic import write_whole
from derain.report.content import content_of
from derain.report.page import render
from derain.report.tables import read_tables

with exit_in_one_line(snakemake.log[0]):
    plan = snakemake.params.plan
    content = content_of(plan, read_tables(snakemake.input.tables, plan["rounding"]), snakemake.config)
    write_whole(snakemake.output[0], render(content).encode())
