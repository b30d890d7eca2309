"""What the jobs of an experiment cost, from the `benchmark:` files that Snakemake writes when a job succeeds.

They decide nothing, and may be deleted at any time. Read with csv: the Snakefile imports this module in every job, and
pandas takes long to import.
"""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

from derain.files.regular import open_regular

FOLDER = "results/benchmarks"
MEASURED, UNKNOWN = ("s", "cpu_time", "max_rss"), ("NA", "-")  # of Snakemake
COLUMNS = ["rule", "jobs", "seconds", "cpu_seconds", "max_rss_mib"]


def benchmarks(outputs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The benchmark file of each job by rule, from the first output of each, as the rules name them."""
    return {
        rule: [f"{FOLDER}/{rule}/{Path(file).with_suffix('.tsv').relative_to('results')}" for file in files]
        for rule, files in outputs.items()
    }


def renew(folder: str | Path = FOLDER) -> None:
    """Set the time of all benchmark files to now.

    For Snakemake a job's outputs are as old as its benchmark file. An old one, of a stage that was since taken from the
    stage store, would make newer inputs train it again.
    """
    for file in Path(folder).rglob("*.tsv"):
        with suppress(OSError):  # of another user
            os.utime(file)


def cost_rows(files: Mapping[str, Sequence[str]]) -> Iterator[dict[str, object]]:
    """A row for each rule that has benchmark files: COLUMNS.

    jobs: measured jobs; seconds and cpu_seconds: their sums; max_rss_mib: the largest memory of one job with all its
    processes. Of an interrupted job only the attempt that finished counts. Snakemake samples memory and CPU time, every
    half second at first, later every 30 s: a very short job may have neither, and is left out of these columns, which
    are empty if no job has them.
    """
    for rule, paths in files.items():
        jobs = [row for path in paths for row in _read(Path(path))]
        if jobs:
            seconds, cpu, memory = (
                [float(job[column]) for job in jobs if job[column] not in UNKNOWN] for column in MEASURED
            )
            yield {
                "rule": rule,
                "jobs": len(jobs),
                "seconds": f"{sum(seconds):.2f}",
                "cpu_seconds": f"{sum(cpu):.2f}" if cpu else "",
                "max_rss_mib": f"{max(memory):.1f}" if memory else "",
            }


def _read(file: Path) -> list[dict[str, str]]:
    """The rows of a benchmark file; none where it is missing or damaged."""
    try:
        with open_regular(file) as content:
            rows = list(csv.DictReader(TextIOWrapper(content, encoding="utf-8", newline=""), delimiter="\t"))
        for row in rows:
            [float(row[column]) for column in MEASURED if row[column] not in UNKNOWN]
    except (OSError, ValueError, TypeError, KeyError, csv.Error):
        return []
    return rows
