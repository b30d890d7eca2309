"""What the jobs of an experiment cost, from the `benchmark:` files of the engine, which a job writes when it succeeds.

They decide nothing, and may be deleted at any time.
"""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

FOLDER = "results/benchmarks"
COLUMNS = ["rule", "jobs", "seconds", "cpu_seconds", "max_rss_mib"]


def benchmarks(outputs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The benchmark file of each job, by rule, from the first output of each; the rules name them alike."""
    return {
        rule: [f"{FOLDER}/{rule}/{Path(file).with_suffix('.tsv').relative_to('results')}" for file in files]
        for rule, files in outputs.items()
    }


def renew(folder: str | Path = FOLDER) -> None:
    """Give all benchmark files the time of now.

    The engine takes a job's outputs to be as old as its benchmark file. An old one, of a stage that was then taken from
    the stage store, would make newer inputs train it again.
    """
    for file in Path(folder).rglob("*.tsv"):
        os.utime(file)


def cost_rows(files: Mapping[str, Sequence[str]]) -> Iterator[dict[str, object]]:
    """A row for each rule of which some of the benchmark files exist: COLUMNS.

    jobs: that were measured; seconds and cpu_seconds: summed over them; max_rss_mib: the largest memory of one with all
    its processes. Of a job that was interrupted, only the attempt that finished counts. The engine samples memory and
    CPU time, each half second at first, later every 30 s: of a very short job it may know neither, and leaves its
    share out (empty where it knows it of no job).
    """
    for rule, of_rule in files.items():
        jobs = [row for file in of_rule if Path(file).is_file() for row in _read(Path(file))]
        if jobs:
            seconds, cpu, memory = (
                [float(job[column]) for job in jobs if job[column] not in ("NA", "-")]
                for column in ("s", "cpu_time", "max_rss")
            )
            yield {
                "rule": rule,
                "jobs": len(jobs),
                "seconds": f"{sum(seconds):.2f}",
                "cpu_seconds": f"{sum(cpu):.2f}" if cpu else "",
                "max_rss_mib": f"{max(memory):.1f}" if memory else "",
            }


def _read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))
