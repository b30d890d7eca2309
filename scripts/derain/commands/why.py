"""Show which jobs would run, and why.

The cause is a change in the config, the data or the library since their files were made.
"""

import argparse
from collections.abc import Sequence

from derain.commands.experiment import add_snakemake_options, snakemake_arguments
from derain.run.causes import cause_lines
from derain.run.engine import Dag, with_dag

add_options = add_snakemake_options


def run(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Print the jobs that would run by cause."""
    with_dag(_show, snakemake_arguments(arguments))


def _show(dag: Dag) -> None:
    print("\n".join(cause_lines(dag.reasons())))
