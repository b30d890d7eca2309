"""Print one line on each dataset: what it holds, leaks and other findings, and their table."""

from pathlib import Path

from derain.data.findings import read_findings
from derain.data.known import line_of
from derain.errors import as_job, print_and_log

with as_job(snakemake.log[0]):
    for (name, layout), table in zip(snakemake.params.layouts.items(), snakemake.input.checks, strict=True):
        print_and_log(line_of(name, layout, read_findings(Path(table)), table), snakemake.log[0])
