"""Seconds of training that Slurm's ways to end a job cost: preemption without and with grace time, a signal, the time
limit several times over. As root, with what tests/slurm needs (Debian's packages, requirements-test.txt).

    python benchmarks/faults/slurm.py

Each time a training on a Slurm with accounting is ended once or more. It writes a checkpoint only at its start and when
it is told to stop, so what it loses without being told is all that it has done. Prints a row a way: the states of the
jobs by sacct, the last step of each attempt, and the steps after which attempts went on. Ends with status 1 if θ
differs from that of a local run.
"""

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests/slurm"))
sys.path.insert(0, str(REPOSITORY / "tests"))
import test_slurm as tests
from cluster import ACCOUNT, LOW, Cluster
from commandline import snakemake

STEPS = 14000
TRAINING = tests.EXPERIMENT["training"] | {"steps": STEPS, "checkpoint_every": 100_000}
CONFIG = tests.EXPERIMENT | {"training": TRAINING}
STAGE = "first/mild"
JOB = f"train/net/seed0/{STAGE}_first"  # the name of the job, which makes no Ω
LOG = f"results/logs/stages/net/seed0/{STAGE}/train.log"


def nothing(cluster: Cluster, job: str) -> None:
    """The job is ended by its time limit or by the signal that it has asked for."""


WAYS: dict[str, tuple[int, dict[str, object], Callable[[Cluster, str], None]]] = {  # grace time, resources, act
    "preempted, no grace time": (0, {}, Cluster.preempt),
    "preempted, grace time of 20 s": (20, {}, Cluster.preempt),
    "--signal=TERM@80, limit of 2 min": (0, {"runtime": 2, "slurm_extra": "'--signal=TERM@80'"}, nothing),
    "time limit of 1 min": (0, {"runtime": 1}, nothing),
}


def measure(cluster: Cluster, local: Path, folder: Path, way: str) -> bool:
    """Run the training, end it in this way, print a row. Returns whether θ is that of the local run."""
    grace, resources, act = WAYS[way]
    cluster.run("scontrol", "update", f"partitionname={LOW}", f"gracetime={grace}")
    directory = tests._without_stages(local, folder / "run")
    asked = {"slurm_account": f"'{ACCOUNT}'", "steps_per_minute": STEPS}
    profile = tests._profile(folder / "profile", {"first": {"mem_mb": 8000} | resources}, **asked)
    reached, acted = [0], False
    begun = time.monotonic()
    with tests._running(directory, CONFIG, tests.FIRST, *tests.IMPATIENT, "--retries", "40", profile=profile) as run:
        while run.process.poll() is None:
            step = tests._step(directory, STAGE)
            if step < reached[-1]:  # another attempt, whose log begins anew
                reached.append(0)
            reached[-1] = max(step, reached[-1])
            if not acted and step > STEPS // 4:
                act(cluster, cluster.jobs()[f"rule_{JOB}"])
                acted = True
            time.sleep(0.02)
    seconds = time.monotonic() - begun
    log = (directory / LOG).read_text(encoding="utf-8")
    went_on = re.findall(r"going on after step (\d+)", log)
    same = (directory / tests.FIRST).read_bytes() == (local / tests.FIRST).read_bytes()
    jobs = re.findall(r"SLURM jobid (\d+)", run.told())
    states = [state.split()[0] for job in jobs for state in cluster.states(job)]
    row = f"{way:34} {' '.join(states)}; last steps {reached}; went on after {went_on}; {seconds:.0f} s; same: {same}"
    print(row, flush=True)
    return same


def main() -> None:
    """Print a row a way."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        local = folder / "local"
        begun = time.monotonic()
        run = snakemake(local, CONFIG, tests.FIRST)
        assert run.returncode == 0, run.stderr
        print(f"a local run: {time.monotonic() - begun:.0f} s for {STEPS} steps")
        cluster = Cluster(folder / "cluster", accounting=True)
        try:
            cluster.start()
            os.environ.update(cluster.environment)
            done = []
            for number, way in enumerate(WAYS):
                (folder / str(number)).mkdir()
                done.append(measure(cluster, local, folder / str(number), way))
                shutil.rmtree(folder / str(number), ignore_errors=True)
        finally:
            cluster.stop()
    sys.exit(not all(done))


if __name__ == "__main__":
    main()
