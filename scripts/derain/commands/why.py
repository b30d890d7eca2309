"""Show which jobs would run, and why.

The cause is a change in the config, the data or the library since their files were made.
"""

import argparse
from pathlib import Path

from derain.commands.experiment import add_snakemake_options, snakemake_arguments
from derain.engine.dag import Dag, with_dag
from derain.errors import shown
from derain.plan.planned import last_config
from derain.run.causes import cause_lines
from derain.run.replaced import another_experiment, replaced_networks

add_options = add_snakemake_options


def run(options: argparse.Namespace) -> None:
    """Print the jobs that would run by cause."""
    with_dag(_show, snakemake_arguments(options.given, options))


def _show(dag: Dag) -> None:
    reasons, last = dag.reasons(), last_config()
    if last is None:
        print(f"no run has begun in this folder yet: {shown(str(Path.cwd()))}")
    said = (another_experiment(reasons, last, dag.config), replaced_networks(lambda: reasons, last, dag.config))
    for line in filter(None, said):
        print(line)
    print("\n".join(cause_lines(reasons)))
