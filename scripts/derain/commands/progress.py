"""Show how far a run is.

Prints which jobs are done, running, waiting or failed, the step of each training and the time left. The jobs are those
of the plan when the command began.
"""

import argparse
import shutil
import time
from contextlib import suppress
from functools import partial

from derain.commands.experiment import add_snakemake_options, snakemake_arguments
from derain.engine import FOLDER, LOGS
from derain.engine.dag import Dag, with_dag
from derain.run.lock import running
from derain.run.status import Watch, status_lines

WATCH, INTERVAL = "--watch", 2  # seconds


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add those of snakemake, and --watch."""
    add_snakemake_options(parser)
    parser.add_argument(WATCH, action="store_true", help="show it again and again, until all is done or Ctrl-C")


def run(options: argparse.Namespace) -> None:
    """Print the states of all jobs, once or until they are done."""
    for_snakemake = [argument for argument in options.given if argument != WATCH]
    with_dag(partial(_show, again=options.watch), snakemake_arguments(for_snakemake, options), [WATCH])


def _show(dag: Dag, again: bool) -> None:
    watch = Watch(dag.jobs, dag.begun, lambda: running(FOLDER) is not None, FOLDER / LOGS)
    if not again:
        print("\n".join(status_lines(watch.states(), running(FOLDER))))
        return
    with suppress(KeyboardInterrupt):
        while True:
            states = watch.states()
            lines, height = status_lines(states, running(FOLDER)), shutil.get_terminal_size().lines - 1
            more = [f"… and {len(lines) - height + 1} more"] if len(lines) > height else []
            print("\033[H\033[J" + "\n".join(lines[: height - len(more)] + more), flush=True)
            if all(state.name == "done" for _, state in states):
                return
            time.sleep(INTERVAL)
