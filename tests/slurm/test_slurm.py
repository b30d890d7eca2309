"""profiles/slurm on a real Slurm: the same bytes as a local run, whatever happens to the jobs meanwhile."""

import re
import shutil
import subprocess
import sys
import time

import pytest
import torch
import yaml
from commandline import arguments, environment, snakemake
from places import REPOSITORY

PROFILE = REPOSITORY / "profiles/slurm"
# Without accounting, and with less patience than a person has.
HERE = ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10"]
RAIN = {"angle": [-10, 10], "length": [7, 11], "width": 1.2, "density": 0.02, "brightness": [0.2, 0.4]}
DATASET = {"layout": "rendered", "rain": RAIN, "renders": 1, "tile": 48, "tiles": 1, "train": ["rocket.jpg"]}
DATASET |= {"validation": ["coffee.png"], "test": ["chelsea.png"]}
EXPERIMENT = {
    "device": "cpu",
    "orders": [["mild", "heavy"]],
    "datasets": {"mild": DATASET, "heavy": DATASET | {"rain": RAIN | {"angle": [40, 50], "density": 0.04}}},
    "networks": {"net": {"backbone": "prenet", "stages": 1, "channels": 4, "blocks": 1}},
    # Long enough to be disturbed in the middle.
    "training": {"steps": 300, "batch": 2, "patch": 16, "warmup": 0, "log_every": 1, "checkpoint_every": 0.2},
    "importances": {"gradient": {"patches": 4}},
    "methods": {"nr": {"penalty": {"importance": "gradient", "strength": 1}}},
    "evaluation": {"previews": 1},
}
STAGES = "results/stages/net/seed0"
FIRST, RAINY = f"{STAGES}/first/mild/theta.safetensors", "results/datasets/mild/rainy.csv"

# By the executor's comment.
TRAININGS = {
    "first/mild": "rule_first_wildcards_net_seed0_first_mild",
    "first/heavy": "rule_first_wildcards_net_seed0_first_heavy",
    "nr/mild/heavy": "rule_next_wildcards_net_seed0_nr_mild_heavy",
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


class Disturbances:
    """What happens to trainings, each once, as soon as they have made so many steps."""

    def __init__(self, cluster, directory):
        self.cluster, self.directory = cluster, directory
        self.left = {
            "cancelled": ("first/mild", 20, self.cancel),
            "requeued": ("first/heavy", 20, self.requeue),
            "without its node": ("nr/mild/heavy", 20, self.lose_the_node),
            "without the controller": ("nr/mild/heavy", 100, self.restart_the_controller),
        }

    def happen(self):
        for name, (stage, step, act) in list(self.left.items()):
            if _step(self.directory, stage) >= step:
                act(stage)
                del self.left[name]
                return  # the next one when this one has been felt

    def job(self, stage):
        return self.cluster.jobs()[TRAININGS[stage]]

    def cancel(self, stage):
        self.cluster.run("scancel", self.job(stage))

    def requeue(self, stage):
        self.cluster.run("scontrol", "requeue", self.job(stage))

    def lose_the_node(self, stage):
        job = self.job(stage)
        node = f"nodename={self.cluster.host}"
        self.cluster.run("scontrol", "update", node, "state=down", "reason=test")
        while "JobState=RUNNING" in self.cluster.facts(job):
            time.sleep(0.1)
        self.cluster.run("scontrol", "update", node, "state=resume")

    def restart_the_controller(self, stage):
        self.cluster.stop_controller()
        time.sleep(2)
        self.cluster.start_controller()


def test_cancelled_requeued_without_node_or_controller_it_ends_with_the_bytes_of_a_local_run(cluster, local, tmp_path):
    directory = tmp_path / "run"
    command = [sys.executable, "-m", "snakemake", *arguments(directory, EXPERIMENT, profile=PROFILE), *HERE]
    output = directory / "output.txt"
    disturbances = Disturbances(cluster, directory)
    with output.open("wb") as file:
        run = subprocess.Popen(command, cwd=directory, env=environment(directory), stdout=file, stderr=file)
    end = time.monotonic() + 900
    try:
        while run.poll() is None:
            assert time.monotonic() < end, output.read_text(encoding="utf-8", errors="replace")
            disturbances.happen()
            time.sleep(0.05)
    finally:
        run.kill()
    told = output.read_text(encoding="utf-8", errors="replace")
    assert run.returncode == 0, told
    assert not disturbances.left

    assert _results(directory) == _results(local)
    assert (directory / "results/report.html").is_file()
    for stage in TRAININGS:
        went_on = int(re.search(r"going on after step (\d+)\n", _log(directory, stage))[1])
        assert 20 <= went_on < 100, stage  # a controller that is away costs a job nothing
    # Only what was cancelled was Snakemake's to try again; Slurm itself put the others back into its queue.
    logs = (rf"rule_first/net_seed0_first_{name}/\d+\.log\)\." for name in ("mild", "heavy"))
    assert [len(re.findall(log, told)) for log in logs] == [2, 1]
    assert len(re.findall(r"rule_next/\S+/\d+\.log\)\.", told)) == 1


def test_requests_arrive_as_written_and_without_a_graphics_card_the_job_ends_in_one_line(cluster, local, tmp_path):
    directory = tmp_path / "run"
    shutil.copytree(local, directory)
    shutil.rmtree(directory / STAGES)
    (directory / RAINY).unlink()
    profile = tmp_path / "slurm"
    profile.mkdir()
    written = yaml.safe_load((PROFILE / "config.yaml").read_text(encoding="utf-8"))
    written["default-resources"] |= {"gpu_model": "pretended", "slurm_partition": "main"}
    (profile / "config.yaml").write_text(yaml.safe_dump(written), encoding="utf-8")
    config = EXPERIMENT | {"device": "cuda"}
    run = snakemake(directory, config, FIRST, RAINY, *HERE, "--retries", "0", profile=profile)
    jobs = {rule: job for job, rule in re.findall(r"SLURM jobid (\d+) \(log: \S+/rule_(\w+)/", run.stdout + run.stderr)}
    assert (directory / RAINY).is_file()
    facts = cluster.facts(jobs["score_rainy"])  # a job without a network
    assert "MinMemoryNode=4000M" in facts and "TimeLimit=01:00:00" in facts
    assert not re.search(r"TresPer\w+=gres:gpu\S*:[1-9]", facts)
    facts = cluster.facts(jobs["first"])
    assert "TresPerJob=gres:gpu:pretended:1" in facts
    assert "NumCPUs=1 " in facts and "MinMemoryNode=8000M" in facts
    assert "TimeLimit=00:20:00" in facts  # 300 steps at 60 a minute, and a quarter of an hour
    assert "Partition=main" in facts and "Requeue=1" in facts
    if not torch.cuda.is_available():
        assert run.returncode != 0
        line = r"error: config: device: is cuda, but torch \S+ finds no CUDA device on \S+; say cpu or auto, .*\n"
        assert re.fullmatch(line, _log(directory, "first/mild"))
        of_slurm = directory / f"results/logs/slurm/rule_first/net_seed0_first_mild/{jobs['first']}.log"
        assert "Traceback" not in of_slurm.read_text(encoding="utf-8")
