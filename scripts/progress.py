"""How far a run is: what is done, running, waiting or failed, the step of each training and the time left.

python scripts/progress.py [--watch] [targets and options of snakemake]

With --watch until all is done or Ctrl-C. The jobs are those of the plan when the command began.
"""

import shutil
import sys
import time
from contextlib import suppress

from derain.run.engine import FOLDER, LOGS, Dag, with_dag
from derain.run.lock import running
from derain.run.status import Watch, status_lines

WATCH, INTERVAL = "--watch", 2  # seconds


def show(dag: Dag) -> None:
    """Print the states of all jobs, once or until they are done."""
    watch = Watch(dag.jobs, dag.begun, lambda: running(FOLDER) is not None, FOLDER / LOGS)
    if WATCH not in sys.argv:
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


if __name__ == "__main__":
    with_dag(show, [argument for argument in sys.argv[1:] if argument != WATCH])
