"""Corrections of the executor plugin for Slurm."""

import sys
from collections.abc import Callable
from typing import Any


def correct_slurm_executor(capped: Callable[[int], int]) -> None:
    """Correct faults of the executor plugin for Slurm (2.8.0), if it is installed.

    capped: returns the time limit that a job may request, minutes; that of a group is the sum of its parts'.

    sacct prints "CANCELLED by <user id>". The plugin does not know this state, so Snakemake would wait forever for a
    job that was cancelled; here the states are cut to their first word. After a node has failed, sacct prints "None
    assigned" as the node of the job that waits again. The plugin would exclude this "node", and sbatch would refuse
    every later job. Snakemake does not print why a group failed, such as an error of sbatch.
    """
    plugin: Any = sys.modules.get("snakemake_executor_plugin_slurm")
    if plugin is None:  # otherwise Snakemake has imported it to read its options
        return
    query, submit_command = plugin.query_job_status, plugin.get_submit_command

    async def query_job_status(*arguments: Any) -> tuple[dict[str, str] | None, float | None]:
        states, seconds = await query(*arguments)
        return states and {job: state.partition(" ")[0] for job, state in states.items()}, seconds

    def get_submit_command(job: Any, *arguments: Any, failed_nodes: set[str], **named: Any) -> str:
        nodes = {node for node in failed_nodes if " " not in node}
        command = submit_command(job, *arguments, failed_nodes=nodes, **named)
        minutes = job.resources.get("runtime") or 0
        limit = capped(minutes)
        return command if limit == minutes else f"{command} -t {limit}"  # sbatch takes the last -t

    report = plugin.Executor.report_job_error

    def report_job_error(executor: Any, info: Any, msg: str | None = None, **named: Any) -> None:
        if msg and info.job.is_group():
            executor.logger.error(msg)
        report(executor, info, msg=msg, **named)

    plugin.query_job_status, plugin.get_submit_command = query_job_status, get_submit_command
    plugin.Executor.report_job_error = report_job_error
