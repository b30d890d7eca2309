"""Cost of the jobs of an experiment, from the `benchmark:` files that Snakemake writes when a job succeeds.

These files influence no result and may be deleted at any time. They are read with csv, because every job imports this
module (through the Snakefile) and pandas is slow to import.
"""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

from derain.files.regular import open_regular

FOLDER = "results/benchmarks"
MEASURED, UNKNOWN = ("s", "cpu_time", "max_rss"), ("NA", "-")  # columns and placeholders of Snakemake
COLUMNS = ["rule", "jobs", "seconds", "cpu_seconds", "max_rss_mib"]


def benchmarks(outputs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the benchmark files by rule, as the rules name them. outputs: the first output of each job, by rule."""
    return {rule: [f"{FOLDER}/{rule}/{_place(file)}" for file in files] for rule, files in outputs.items()}


def forget(outputs: Iterable[str], folder: str | Path = FOLDER) -> None:
    """Delete the benchmark files of outputs that were not made here, but taken from the stage store: those of an
    earlier job with these outputs would count as theirs.
    """
    for file in outputs:
        for rule in Path(folder).glob("*"):
            with suppress(OSError):  # there is none, or it is owned by another user
                (rule / _place(file)).unlink()


def _place(output: str) -> Path:
    """The benchmark file of an output, in the folder of its rule."""
    return Path(output).with_suffix(".tsv").relative_to("results")


def renew(folder: str | Path = FOLDER) -> None:
    """Set the modification time of all benchmark files to now.

    Snakemake counts a benchmark file among a job's outputs: one that is older than the job's inputs would cause a
    retraining.
    """
    for file in Path(folder).rglob("*.tsv"):
        with suppress(OSError):  # owned by another user
            os.utime(file)


def cost_rows(files: Mapping[str, Sequence[str]]) -> Iterator[dict[str, object]]:
    """Yield a row (COLUMNS) for each rule that has benchmark files.

    jobs: number of measured jobs; seconds, cpu_seconds: sums over these jobs; max_rss_mib: largest memory of any one
    job, including its child processes. For an interrupted job only the attempt that finished counts. Snakemake samples
    memory and CPU time every half second at first, later every 30 s. A very short job may have no sample and is left
    out of these columns; a column is empty if no job has a sample.
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
    """Return the rows of a benchmark file; an empty list if it is missing or damaged."""
    try:
        with open_regular(file) as content:
            rows = list(csv.DictReader(TextIOWrapper(content, encoding="utf-8", newline=""), delimiter="\t"))
        for row in rows:
            [float(row[column]) for column in MEASURED if row[column] not in UNKNOWN]
    except (OSError, ValueError, TypeError, KeyError, csv.Error):
        return []
    return rows
