"""What the embedded default experiment costs: python benchmarks/cost.py [--cores 2]

Runs it in a scratch folder and prints the wall time, the CPU seconds (user + system, the engine included), the largest
memory of any one process, as the operating system accounts them, and the workflow overhead: the share of wall time ×
cores in which no training, Ω, theory or evaluation computes. That is the start of the jobs, the packing of the data,
tables and page, the engine, and idle cores.

The time of a training is the one in its training.csv. That of the other jobs is their time in tables/cost.csv, less the
start of a process that imports what they import.
"""

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from common import REPOSITORY

COMPUTING = ("importance_shard", "evaluate", "theory", "score_rainy")  # and the trainings


def rows(table: Path) -> list[dict[str, str]]:
    """Of a CSV file."""
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def start_of_a_job() -> float:
    """Seconds of a process that only imports: the median of several, since it is subtracted once for each job."""

    def one() -> float:
        start = time.monotonic()
        subprocess.run([sys.executable, "-c", "import derain.training.job, derain.evaluation.tiles"], check=True)
        return time.monotonic() - start

    return median(one() for _ in range(5))


def computing(results: Path) -> float:
    """Seconds of one core in which jobs trained, estimated Ω, or evaluated."""
    trainings = [rows(table) for table in (results / "stages").rglob("training.csv")]
    trained = sum(float(steps[-1]["seconds"]) for steps in trainings if steps)
    others = [row for row in rows(results / "tables/cost.csv") if row["rule"] in COMPUTING]
    starts = start_of_a_job() * sum(int(row["jobs"]) for row in others)
    return trained + max(0.0, sum(float(row["seconds"]) for row in others) - starts)


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2)
    cores = parser.parse_args().cores
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores)]
        command += ["--snakefile", str(REPOSITORY / "Snakefile")]
        start = time.monotonic()
        subprocess.run([*command, "--workflow-profile", str(REPOSITORY / "profiles/default")], cwd=scratch, check=True)
        wall = time.monotonic() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = computing(Path(scratch) / "results")
    print(f"wall seconds         {wall:.0f}")
    print(f"CPU seconds          {used.ru_utime + used.ru_stime:.0f}")
    print(f"largest process MiB  {used.ru_maxrss / 1024:.0f}")
    print(f"workflow overhead    {1 - spent / (wall * cores):.0%} of {cores} cores")


if __name__ == "__main__":
    main()
