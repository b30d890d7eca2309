"""Which jobs would run, and why: what changed in the config, the data or the library since their files were made.

python scripts/why.py [targets and options of snakemake]
"""

import sys

from derain.run.causes import cause_lines
from derain.run.engine import Dag, with_dag


def show(dag: Dag) -> None:
    """Print the jobs that would run by cause."""
    print("\n".join(cause_lines(dag.reasons())))


if __name__ == "__main__":
    with_dag(show, sys.argv[1:])
