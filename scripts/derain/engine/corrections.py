"""Corrections of Snakemake itself."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

DEFAULT_START_LIMIT = (100, 1)  # jobs, seconds


def remove_default_start_limit(workflow: Any) -> None:
    """Remove Snakemake's default limit of job starts per second; a limit that the user has set stays.

    With the default limit, each job that has ended makes Snakemake look at all ready jobs one more time per second
    (#2967): after 300 jobs that takes half a core.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == DEFAULT_START_LIMIT:
        workflow.scheduler.job_rate_limiter = None


def set_clocks_right(workflow: Any) -> None:
    """Set inputs with a time in the future, and the outputs made from them, to the present time when their job ends.

    Otherwise an input from a machine whose clock is ahead would be newer than the outputs, and Snakemake would remove
    them, perhaps after hours of training.
    """
    dag = workflow.dag
    check = dag.check_output_mtime

    async def check_output_mtime(job: Any, outputs: Sequence[Any]) -> None:
        now = time.time()
        ahead = [file for file in map(Path, map(str, job.input)) if file.is_file() and file.stat().st_mtime > now]
        written = [file for file in map(Path, map(str, outputs)) if ahead and file.is_file()]
        for file in (*ahead, *written):
            with suppress(OSError):  # owned by another user
                os.utime(file)
        await check(job, outputs)

    dag.check_output_mtime = check_output_mtime


def escape_environments(workflow: Any) -> None:
    """Escape braces in the paths of conda files, because Snakemake takes them for wildcards (in these paths only)."""
    folder = Path(workflow.basedir)
    if "{" in str(folder) or "}" in str(folder):
        for rule in workflow.rules:
            if rule.conda_env:
                file = str(folder / "envs" / Path(rule.conda_env).name)
                rule.conda_env = file.replace("{", "{{").replace("}", "}}")
