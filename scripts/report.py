"""Build the page."""

from pathlib import Path

from derain.errors import exit_in_one_line
from derain.report.content import content_of
from derain.report.page import render
from derain.report.tables import read_tables

with exit_in_one_line(snakemake.log[0]):
    plan = snakemake.params.plan
    content = content_of(plan, read_tables(snakemake.input.tables, plan["rounding"]), snakemake.config)
    Path(snakemake.output[0]).write_text(render(content), encoding="utf-8")
