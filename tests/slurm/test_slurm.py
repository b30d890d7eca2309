"""profiles/slurm on a real Slurm: the same bytes as a local run, whatever happens to the jobs meanwhile."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import torch
import yaml
from cluster import ACCOUNT, HIGH, LOW, MINUTES, NODES, QOS
from commandline import arguments, environment, snakemake
from places import REPOSITORY
from waiting import until

PROFILE = REPOSITORY / "profiles/slurm"
IMPATIENT = ["--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10"]
WITHOUT_ACCOUNTING = [*IMPATIENT, "--slurm-status-command", "squeue"]
RAIN = {"angle": [-10, 10], "length": [7, 11], "width": 1.2, "density": 0.02, "brightness": [0.2, 0.4]}
DATASET = {"layout": "rendered", "rain": RAIN, "renders": 1, "tile": 48, "tiles": 1, "train": ["rocket.jpg"]}
DATASET |= {"validation": ["coffee.png"], "test": ["chelsea.png"]}
EXPERIMENT = {
    "device": "cpu",
    "orders": [["mild", "heavy"]],
    "datasets": {"mild": DATASET, "heavy": DATASET | {"rain": RAIN | {"angle": [40, 50], "density": 0.04}}},
    "networks": {"net": {"backbone": "prenet", "stages": 1, "channels": 4, "blocks": 1}},
    # Long enough to be disturbed in the middle.
    "training": {"steps": 1000, "batch": 2, "patch": 16, "warmup": 0, "log_every": 1, "checkpoint_every": 0.2},
    "importances": {"gradient": {"patches": 4}},
    "methods": {"nr": {"penalty": {"importance": "gradient", "strength": 1}}},
    "evaluation": {"previews": 1},
}
STAGES = "results/stages/net/seed0"
FIRST, RAINY = f"{STAGES}/first/mild/theta.safetensors", "results/datasets/mild/rainy.csv"

OMEGA = f"{STAGES}/first/mild/omega-gradient.safetensors"

# The name of the job in the executor's comment and log: group, stage and rules.
TRAININGS = {
    "first/mild": "train/net/seed0/first/mild_first_importance_shard",
    "first/heavy": "train/net/seed0/first/heavy_first",
    "nr/mild/heavy": "train/net/seed0/nr/mild/heavy_next",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """A directory in which the experiment has run without a cluster."""
    directory = tmp_path_factory.mktemp("local")
    run = snakemake(directory, EXPERIMENT)
    assert run.returncode == 0, run.stdout + run.stderr
    return directory


def _results(directory):
    """Bytes of θ, Ω, scores and tables, by name."""
    files = [file for kind in ("safetensors", "csv") for file in sorted(directory.glob(f"results/**/*.{kind}"))]
    tell_seconds = ("training.csv", "cost.csv")
    return {str(file.relative_to(directory)): file.read_bytes() for file in files if file.name not in tell_seconds}


def _log(directory, stage):
    log = directory / f"results/logs/stages/net/seed0/{stage}/train.log"
    return log.read_text(encoding="utf-8") if log.exists() else ""


def _step(directory, stage):
    """The step that a training has told last."""
    return max(map(int, re.findall(r"step +(\d+)/", _log(directory, stage))), default=0)


def _profile(folder, rules=None, **resources):
    """profiles/slurm with other resources, as a user edits it."""
    written = yaml.safe_load((PROFILE / "config.yaml").read_text(encoding="utf-8"))
    written["default-resources"] |= resources
    written["set-resources"] |= rules or {}
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(written), encoding="utf-8")
    return folder


def _without_stages(local, directory):
    """A copy of a finished run in which the trainings have to run again."""
    shutil.copytree(local, directory)
    for each in (STAGES, "results/logs/stages"):
        shutil.rmtree(directory / each)
    return directory


class Run:
    """A run of Snakemake in the background."""

    def __init__(self, directory, config, *options, profile):
        self.directory, self.output = directory, directory / "output.txt"
        command = [sys.executable, "-m", "snakemake", *arguments(directory, config, profile=profile), *options]
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                command, cwd=directory, env=environment(directory), stdout=file, stderr=file, start_new_session=True
            )

    def told(self):
        return self.output.read_text(encoding="utf-8", errors="replace")

    def reaches(self, stage, step):
        """Wait until a training has told that it has made so many steps."""
        until(lambda: _step(self.directory, stage) >= step or self.process.poll() is not None, self.told(), 600)
        assert self.process.poll() is None, self.told()

    def end(self, meanwhile=lambda: None):
        """Wait for the end of the run. Returns what it has told."""
        end = time.monotonic() + 900
        while self.process.poll() is None:
            assert time.monotonic() < end, self.told()
            meanwhile()
            time.sleep(0.05)
        return self.told()


@contextmanager
def _running(*arguments, **how):
    run = Run(*arguments, **how)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.wait()


class Disturbances:
    """What happens to trainings, each once, as soon as they have made so many steps."""

    def __init__(self, cluster, directory):
        self.cluster, self.directory = cluster, directory
        self.left = {}

    def happen(self):
        for name, (stage, step, act) in list(self.left.items()):
            if _step(self.directory, stage) >= step:
                act(self.cluster.jobs()[f"rule_{TRAININGS[stage]}"])
                del self.left[name]
                return  # the next one when this one has been felt

    def cancel(self, job):
        self.cluster.run("scancel", job)

    def requeue(self, job):
        self.cluster.run("scontrol", "requeue", job)

    def preempt(self, job):
        self.cluster.preempt(job)

    def set_the_node_down(self, job):
        node = f"nodename={self.cluster.node_of(job)}"
        self.cluster.run("scontrol", "update", node, "state=down", "reason=test")
        until(lambda: "JobState=RUNNING" not in self.cluster.facts(job), "the job loses its node")
        self.cluster.run("scontrol", "update", node, "state=resume")

    def lose_the_node(self, job):
        self.cluster.lose_node(self.cluster.node_of(job))

    def restart_the_controller(self, job):
        self.cluster.stop_controller()
        time.sleep(2)
        self.cluster.start_controller()

    def restart_the_services(self, job):
        self.cluster.stop_controller()
        self.cluster.stop_accounting()
        time.sleep(2)
        self.cluster.start_accounting()
        self.cluster.start_controller()


def _submitted(told, stage):
    """Slurm's numbers of the jobs of a training."""
    return re.findall(rf"SLURM jobid (\d+) \(log: \S+/group_{TRAININGS[stage]}/", told)


def _went_on(directory, stage):
    """The steps after which attempts at a training went on."""
    return [int(step) for step in re.findall(r"going on after step (\d+)\n", _log(directory, stage))]


def test_cancelled_requeued_without_node_or_controller_it_ends_with_the_bytes_of_a_local_run(
    cluster_without_accounting, local, tmp_path
):
    directory = tmp_path / "run"
    happens = Disturbances(cluster_without_accounting, directory)
    scratch = tmp_path / "scratch"
    config = EXPERIMENT | {"local_scratch": f"{scratch}/$SLURMD_NODENAME"}  # a variable of the job, not of this process
    happens.left = {
        "cancelled": ("first/mild", 20, happens.cancel),
        "requeued": ("first/heavy", 20, happens.requeue),
        "without its node": ("nr/mild/heavy", 20, happens.set_the_node_down),
        "without the controller": ("nr/mild/heavy", 200, happens.restart_the_controller),
    }
    with _running(directory, config, *WITHOUT_ACCOUNTING, profile=PROFILE) as run:
        told = run.end(happens.happen)
    assert run.process.returncode == 0, told
    assert not happens.left

    assert _results(directory) == _results(local)
    copies = [path.relative_to(scratch).parts for path in scratch.rglob("pixels.bin")]
    assert {node for node, *_ in copies} <= {*NODES} and len({copy for _, copy, _ in copies}) == 4  # stores
    logs = (directory / "results/logs/stages").rglob("*.log")
    assert not any("local_scratch: " in log.read_text(encoding="utf-8") for log in logs)
    assert (directory / "results/report.html").is_file()
    for stage in TRAININGS:
        (went_on,) = _went_on(directory, stage)  # a controller that is away costs a job nothing
        assert 20 <= went_on < 200
    # Only what was cancelled was Snakemake's to try again; Slurm itself put the others back into its queue.
    assert [len(_submitted(told, stage)) for stage in TRAININGS] == [2, 1, 1]


@pytest.mark.by_hand
def test_preempted_out_of_memory_without_services_and_on_a_node_that_dies_the_bytes_are_those_of_a_local_run(
    cluster, local, tmp_path
):
    directory = tmp_path / "run"
    happens = Disturbances(cluster, directory)
    happens.left = {
        "preempted": ("first/mild", 20, happens.preempt),
        "without the services": ("first/heavy", 200, happens.restart_the_services),
        "dead node": ("nr/mild/heavy", 20, happens.lose_the_node),
    }
    memory = {"next": {"mem_mb": "250 * attempt ** 2"}}  # torch itself needs more than the first attempt gets
    profile = _profile(tmp_path / "slurm", memory, slurm_account=f"'{ACCOUNT}'", qos=QOS)
    with _running(directory, EXPERIMENT, *IMPATIENT, profile=profile) as run:
        told = run.end(happens.happen)
    assert run.process.returncode == 0, told
    assert not happens.left
    states = [cluster.state_of(node) for node in NODES]  # tests after this one use the other node
    assert sum(state.endswith("*") or state.startswith("down") for state in states) == 1, states

    assert _results(directory) == _results(local)
    for stage in ("first/mild", "nr/mild/heavy"):
        # Preemption without grace and a dead node give no time for a checkpoint: the last one in time counts.
        assert 1 <= _went_on(directory, stage)[0] < 900
    (preempted,) = _submitted(told, "first/mild")
    assert cluster.states(preempted) == ["PREEMPTED", "COMPLETED"]
    small, large = _submitted(told, "nr/mild/heavy")
    assert cluster.states(small) == ["FAILED"]  # OUT_OF_MEMORY if cgroups enforce the limit
    (log,) = directory.glob(f"results/logs/slurm/**/{small}.log")
    assert "Exceeded job memory limit" in log.read_text(encoding="utf-8")
    assert cluster.states(large) == ["NODE_FAIL", "COMPLETED"]


@pytest.mark.by_hand
def test_a_training_stopped_at_the_limit_of_its_partition_again_and_again_has_the_bytes_of_a_local_run(
    cluster, tmp_path
):
    """A training and its Ω are one job of Slurm, whose parts together would request more than the limit too."""
    training = EXPERIMENT["training"] | {"steps": 20_000, "log_every": 100, "checkpoint_every": 100_000}
    config, wanted = EXPERIMENT | {"training": training}, [FIRST, OMEGA]
    alone = snakemake(tmp_path / "local", config, *wanted)
    assert alone.returncode == 0, alone.stderr
    profile = _profile(tmp_path / "slurm", slurm_account=f"'{ACCOUNT}'", longest=1)
    steps = set()
    cluster.run("scontrol", "update", f"partitionname={LOW}", "maxtime=1")
    try:
        directory = tmp_path / "run"
        with _running(directory, config, *wanted, *IMPATIENT, "--retries", "20", profile=profile) as run:
            told = run.end(lambda: steps.update(_went_on(directory, "first/mild")))  # each attempt begins a new log
    finally:
        cluster.run("scontrol", "update", f"partitionname={LOW}", f"maxtime={MINUTES}")
    assert run.process.returncode == 0, told
    for file in wanted:
        assert (directory / file).read_bytes() == (tmp_path / "local" / file).read_bytes()
    assert len(steps) >= 2
    jobs = _submitted(told, "first/mild")
    states = [cluster.states(job)[0] for job in jobs]
    assert states.count("FAILED") >= 2 and states[-1] == "COMPLETED"  # TIMEOUT if Slurm ended the Ω
    assert all("TimeLimit=00:01:00" in cluster.facts(job) for job in jobs)
    assert told.count("notice: jobs request at most 1 min (longest), the first one instead of ") == 1


def test_jobs_of_a_killed_run_are_named_and_cancelled_jobs_run_again(cluster, local, tmp_path):
    directory = _without_stages(local, tmp_path / "run")
    config = EXPERIMENT | {"training": EXPERIMENT["training"] | {"log_every": 1}}
    profile = _profile(tmp_path / "slurm", slurm_account=f"'{ACCOUNT}'")
    with _running(directory, config, FIRST, *IMPATIENT, profile=profile) as run:
        run.reaches("first/mild", 20)
        (job,) = cluster.jobs().values()
        cluster.run("scontrol", "suspend", job)
        os.killpg(run.process.pid, signal.SIGKILL)
        run.process.wait()
    with _running(directory, config, FIRST, *IMPATIENT, profile=profile) as run:
        told = run.end()
        assert (
            f"error: an earlier run left jobs in the queue of Slurm; wait for them or end them: scancel {job}\n" in told
        )
        assert run.process.returncode != 0
    cluster.run("scontrol", "resume", job)
    until(lambda: not cluster.jobs(), "end of the job")
    until(lambda: cluster.states(job) == ["COMPLETED"], "end of the job in the accounting")
    (directory / FIRST).with_suffix(".safetensors.checkpoint").unlink()  # so that it trains again
    (directory / "results/logs/stages/net/seed0/first/mild/train.log").unlink()
    with _running(directory, config, FIRST, *IMPATIENT, "--forcerun", "first", profile=profile) as run:
        run.reaches("first/mild", 20)
        cluster.run("scancel", "--user=root")
        told = run.end()
    assert run.process.returncode == 0, told
    first, second = re.findall(r"SLURM jobid (\d+) ", told)
    assert [cluster.states(each)[0].split()[0] for each in (first, second)] == ["CANCELLED", "COMPLETED"]
    assert (directory / FIRST).read_bytes() == (local / FIRST).read_bytes()
    assert _went_on(directory, "first/mild")[0] >= 20


def test_requests_arrive_as_written_and_without_a_graphics_card_the_job_ends_in_one_line(cluster, local, tmp_path):
    directory = _without_stages(local, tmp_path / "run")
    (directory / RAINY).unlink()
    config = EXPERIMENT | {"device": "cuda"}
    options = {"slurm_account": f"'{ACCOUNT}'", "slurm_partition": HIGH, "qos": QOS, "gpu_model": "pretended"}
    extra = "'--mail-type=FAIL --mail-user=me@example.org --signal=TERM@60'"
    profile = _profile(tmp_path / "slurm", **options, constraint="fast", slurm_extra=extra)
    run = snakemake(directory, config, FIRST, RAINY, *IMPATIENT, "--retries", "1", profile=profile)
    told = run.stdout + run.stderr
    jobs = re.findall(r"SLURM jobid (\d+) \(log: (\S+/group_(train|data)/\S+)\)", told)
    assert (directory / RAINY).is_file(), told
    facts = {"data": [], "train": []}
    for job, _, group in sorted(jobs, key=lambda job: int(job[0])):
        facts[group].append(cluster.facts(job))
    for each in (*facts["data"], *facts["train"]):
        assert f"Account={ACCOUNT} QOS={QOS}" in each and f"Partition={HIGH} " in each
        assert "Features=fast " in each and "MailUser=me@example.org MailType=FAIL" in each
        assert "Requeue=1" in each
    (scored,) = facts["data"]  # a job without a network
    assert "MinMemoryNode=4000M" in scored and "TimeLimit=01:00:00" in scored
    assert not re.search(r"TresPer\w+=gres:gpu\S*:[1-9]", scored)
    # Each attempt asks for more memory, and more time than 1000 steps at 60 a minute and a quarter of an hour.
    for trained, memory, limit in zip(facts["train"], (8000, 16000), ("00:32:00", "01:04:00"), strict=True):
        assert "TresPerJob=gres:gpu:pretended:1" in trained and "NumCPUs=1 " in trained
        assert f"MinMemoryNode={memory}M" in trained and f"TimeLimit={limit}" in trained
    if not torch.cuda.is_available():
        assert run.returncode != 0
        line = r"error: config: device: is cuda, but torch \S+ finds no CUDA device on \S+; say cpu or auto, .*\n"
        assert re.fullmatch(line, _log(directory, "first/mild"))
        assert all("Traceback" not in (directory / log).read_text() for _, log, group in jobs if group == "train")


def test_without_the_account_that_the_cluster_requires_the_run_ends_with_the_words_of_slurm(cluster, local, tmp_path):
    directory = _without_stages(local, tmp_path / "run")
    profile = _profile(tmp_path / "slurm", slurm_account="'root'")
    run = snakemake(directory, EXPERIMENT, FIRST, *IMPATIENT, "--retries", "0", profile=profile)
    assert run.returncode != 0
    assert "Job violates accounting/QOS policy" in run.stdout + run.stderr
