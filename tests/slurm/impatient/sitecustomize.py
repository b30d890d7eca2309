"""Snakemake asks for the states of its jobs each second.

The executor plugin has no option for it: it waits ten seconds longer each time that no job has succeeded. Python
imports this module at its start, because the tests have its folder in PYTHONPATH.
"""

import sys

if "--slurm-init-seconds-before-status-checks" in sys.orig_argv:  # the run itself, not its jobs
    import asyncio

    from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

    async def _sleep(executor):
        await asyncio.sleep(1)

    RemoteExecutor.sleep = _sleep
