"""Jobs of an earlier run that still wait or run: in Slurm's queue, or as processes of this machine."""

import shutil
import subprocess
from collections.abc import Collection

import psutil

from derain.errors import UserError

# Environment variable with the id of the run. Its jobs inherit it, so they can be found after the run has ended.
RUN_ID_VARIABLE = "DERAIN_RUN"


def in_the_queue(names: Collection[str], must_answer: bool) -> list[str]:
    """Return the ids of this user's jobs that have one of the names and wait or run in Slurm.

    Raises UserError if Slurm does not answer but must (`must_answer`).
    """
    if not names or shutil.which("squeue") is None:
        return []
    command = ["squeue", "--me", "--noheader", "--format=%i", f"--name={','.join(names)}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (ids of runs)
    if answer.returncode != 0 and must_answer:
        raise UserError(
            f"squeue fails, so jobs of a killed run may still run; try again later ({answer.stderr.strip()})"
        )
    return answer.stdout.split()


def orphans(run_id: str, patience: float = 2) -> list[str]:
    """Return the ids of this machine's processes that a run started and that outlive it by `patience` seconds.

    Processes that were killed together with the run may need a moment to end.
    """
    if not run_id:
        return []
    psutil.wait_procs(_started_by(run_id), timeout=patience)
    # Listed again: a process that ended may have started others.
    return [str(process.pid) for process in _started_by(run_id)]


def _started_by(run_id: str) -> list[psutil.Process]:
    """Return the processes that inherited the id of a run, except other users' (their environment is hidden)."""
    return [
        process
        for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get(RUN_ID_VARIABLE) == run_id
    ]
