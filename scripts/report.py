"""Build the page."""

from pathlib import Path

from derain.errors import as_job, print_and_log
from derain.files.atomic import write_whole
from derain.files.leftovers import LEFT, remove
from derain.report.content import content_of
from derain.report.page import render
from derain.report.tables import read_tables

with as_job(snakemake.log[0]):
    page, plan = Path(snakemake.output[0]), snakemake.params.plan
    content = content_of(plan, read_tables(snakemake.input.tables, plan["rounding"]), snakemake.config)
    write_whole(page, render(content).encode())
    if removed := remove(page.parent, snakemake.params.derived, [page, *snakemake.params.kept]):
        print_and_log(f"{page.parent}: removed {removed}, {LEFT}", snakemake.log[0])
