"""The engine's plan, for commands that only look at it; they take snakemake's targets and options."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from snakemake.api import DAGApi
from snakemake.cli import args_to_api, parse_args


def with_plan(look: Callable[[Any], None], arguments: Sequence[str]) -> None:
    """Plan what the arguments ask for, hand the engine's workflow with its `dag` to `look`, and end the program."""

    def plan(api: DAGApi, detailed: bool = False) -> None:
        workflow = api.workflow_api._workflow
        workflow._prepare_dag(forceall=workflow.dag_settings.forceall, ignore_incomplete=True, lock_warn_only=True)
        workflow._build_dag()
        look(workflow)

    sys.stdout.reconfigure(errors="backslashreplace")  # in a locale without arrows and θ, too

    DAGApi.summary = plan  # in the place of the table that the command line would print
    parser, args = parse_args(["--quiet", "all", "--summary", "--dry-run", *arguments])
    sys.exit(not args_to_api(args, parser))
