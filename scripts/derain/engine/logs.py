"""Failed outputs and ids of Slurm runs, from the logs of earlier runs."""

import re
from contextlib import suppress
from pathlib import Path


def failed_outputs(logs: Path) -> set[str]:
    """Return the outputs of jobs that failed in the latest run, by its log; some may have been retried since."""
    try:
        latest = max(logs.glob("*.log"), default=None)
        text = latest.read_text(encoding="utf-8", errors="replace") if latest and latest.is_file() else ""
    except OSError:  # owned by another user
        text = ""
    errors = re.findall(r"^Error in rule \S+:\n(?:    .*\n)*?    output: (.+)$", text, re.MULTILINE)
    return {file for outputs in errors for file in outputs.split(", ")}


def slurm_run_ids(logs: Path) -> list[str]:
    """Return the ids of the runs that submitted jobs to Slurm, by their logs. Such an id is the name of the jobs."""
    found = []
    for log in sorted(logs.glob("*.log")):
        with suppress(OSError), log.open(encoding="utf-8", errors="replace") as file:
            found += re.findall(r"^SLURM run ID: ([\w-]+)$", file.read(100_000), re.MULTILINE)
    return found
