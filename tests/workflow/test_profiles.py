"""Profiles for clusters, without a cluster; tests/slurm has a real one."""

import re
import sys
from pathlib import Path

import pytest
import yaml
from commandline import arguments, finish, planned, snakemake
from places import REPOSITORY
from tiny_experiment import EXPERIMENT

OTHERS = sorted(path.name for path in (REPOSITORY / "profiles").iterdir() if path.name != "default")
TARGET = "results/stages/net/seed0/nr/mild/heavy/theta.safetensors"


def _resources(dry_run):
    """Of each job, with its rule."""
    found = re.findall(r"rule (\w+):\n(?:    .*\n)*? +resources: (.*)", dry_run.stdout + dry_run.stderr)
    return [(rule, dict(pair.split("=") for pair in pairs.split(", "))) for rule, pairs in found]


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_a_cluster_gets_the_jobs_of_a_local_run_and_is_told_what_each_needs(name, tmp_path):
    config = EXPERIMENT | {"device": "cuda"}
    cluster = snakemake(tmp_path, config, "-n", TARGET, profile=REPOSITORY / "profiles" / name)
    assert planned(cluster) == planned(snakemake(tmp_path, config, "-n", TARGET))
    jobs = _resources(cluster)
    assert {rule for rule, _ in jobs} == {"pack", "first", "importance_shard", "importance", "next"}
    for rule, of_job in jobs:
        network, training = rule in ("first", "importance_shard", "next"), rule in ("first", "next")
        assert of_job["gpu"] == ("1" if network else "0")
        assert of_job["runtime"] == ("16" if network else "60")  # six steps at 60 a minute, and a quarter of an hour
        assert of_job["mem_mb"] == ("8000" if training else "4000")


def test_without_the_executor_the_profile_for_slurm_ends_in_one_line(tmp_path):
    """A Python that has all packages but this one."""
    (packages,) = {Path(module.__file__).parents[1] for module in (pytest, yaml)}
    plugin = "snakemake_executor_plugin_slurm"
    assert (packages / plugin).is_dir()
    (tmp_path / "packages").mkdir()
    for package in packages.iterdir():
        if package.name != plugin:
            (tmp_path / "packages" / package.name).symlink_to(package)
    options = arguments(tmp_path / "run", EXPERIMENT, profile=REPOSITORY / "profiles/slurm")
    command = [sys.executable, "-S", "-m", "snakemake", *options, "-n"]
    run = finish(command, tmp_path / "run", PYTHONPATH=str(tmp_path / "packages"))
    notice, line = run.stderr.splitlines()
    assert notice.startswith("Using workflow specific profile ")
    assert line == "error: no executor for Slurm here; in the clone: pip install -r requirements-slurm.txt"
    assert (run.returncode, run.stdout) == (1, "")


@pytest.mark.slow
def test_a_study_queues_at_most_a_quarter_of_its_jobs(tmp_path):
    """4 datasets × 8 methods × 4 orders × 3 seeds."""
    penalties = {name: {"penalty": {"importance": name, "strength": 1}} for name in ("gradient", "fisher", "output")}
    config = EXPERIMENT | {
        "orders": [list("abcd"), list("dcba"), list("bdac"), list("cadb")],
        "seeds": [0, 1, 2],
        "datasets": {name: EXPERIMENT["datasets"]["mild"] | {"seed": number} for number, name in enumerate("abcd")},
        "importances": {"gradient": {}, "fisher": {"power": "squared"}, "output": {"of": "output"}},
        "memories": {"pairs": {}},
        "methods": penalties
        | {
            "finetune": {},
            "nr": {"penalty": {"importance": "gradient", "strength": 1}, "distillation": {"strength": 0.1}},
            "lwf": {"distillation": {"strength": 1}},
            "l2": {"penalty": {"strength": 1}},
            "replay": {"memory": {"name": "pairs"}},
        },
        "joint": {"steps_per_dataset": 6},
        "evaluation": {"theory_patches": 16},
    }
    plan = snakemake(tmp_path, config, "-n", profile=REPOSITORY / "profiles/slurm")
    assert plan.returncode == 0, plan.stderr
    told = plan.stdout + plan.stderr
    block = re.search(r"^localrules:\n((?:    \w+,\n)+)", (REPOSITORY / "Snakefile").read_text(encoding="utf-8"), re.M)
    local = {*re.findall(r"\w+", block[1]), "all"}
    of_rule = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", told, re.M)}
    total = of_rule.pop("total") - of_rule["all"]
    alone = [rule for rule in re.findall(r"^rule (\w+):$", told, re.M) if rule not in local]
    grouped = len(re.findall(r"Group job \S+ \(", told))
    before = sum(count for rule, count in of_rule.items() if rule not in local)
    assert (total, before, grouped + len(alone)) == (1318, 1080, 325)
    assert 4 * (grouped + len(alone)) <= total


@pytest.mark.slow
def test_without_a_cluster_nothing_limits_a_job_unless_somebody_asks_for_it(tmp_path):
    for asked, runtime in (((), {None}), (("--default-resources", "runtime=60"), {"60"})):
        jobs = _resources(snakemake(tmp_path, EXPERIMENT, "-n", TARGET, *asked))
        assert len(jobs) == 6
        assert {of_job.get("runtime") for _, of_job in jobs} == runtime


@pytest.mark.slow
def test_jobs_that_a_command_takes_run_as_they_would_here(tmp_path):
    """A shell in the background for a cluster."""
    target = "results/datasets/mild/rainy.csv"
    (tmp_path / "submit.sh").write_text('sh "$1" > /dev/null 2>&1 &\necho $!\n', encoding="utf-8")
    submit = ["--cluster-generic-submit-cmd", f"sh {tmp_path}/submit.sh", "--latency-wait", "5"]
    run = snakemake(tmp_path / "run", EXPERIMENT, target, *submit, profile=REPOSITORY / "profiles/generic")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Submitted job" in run.stdout + run.stderr
    assert snakemake(tmp_path / "local", EXPERIMENT, target).returncode == 0
    assert (tmp_path / "run" / target).read_bytes() == (tmp_path / "local" / target).read_bytes()
