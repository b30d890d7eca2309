"""A run does what it planned, whatever is edited, planned or asked beside it."""

import copy
import signal
import subprocess
import sys
import time

import pytest
from commandline import arguments, derain, environment, planned, progress, snakemake
from trees import write_pairs

pytestmark = pytest.mark.slow

THETA = "results/stages/net/seed0/first/b/theta.safetensors"
CONFIG = {
    "device": "cpu",
    "orders": [["a", "b"]],
    "datasets": {name: {"layout": "rain-norain", "root": f"data/{name}"} for name in "ab"},
    "networks": {"net": {"backbone": "prenet", "stages": 1, "channels": 4, "blocks": 1}},
    "training": {"steps": 2, "batch": 2, "patch": 16, "warmup": 0},
    "methods": {"finetune": {}},
}


def _folder(path):
    for number, name in enumerate("ab"):
        write_pairs(path / "data" / name / "train", range(100 * number, 100 * number + 8))
        write_pairs(path / "data" / name / "test", range(100 * number + 50, 100 * number + 52))
    return path


def _found(folder):
    """What was found in the datasets, with file times."""
    files = (folder / "results/datasets").glob("*/*.*")
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_what_is_edited_and_planned_beside_a_run_changes_nothing_in_it(tmp_path):
    undisturbed, disturbed = (_folder(tmp_path / name) for name in ("undisturbed", "disturbed"))
    assert snakemake(undisturbed, CONFIG, THETA).returncode == 0
    command = [sys.executable, "-m", "snakemake", *arguments(disturbed, CONFIG), THETA]
    with subprocess.Popen(command, cwd=disturbed, env=environment(disturbed), stderr=subprocess.PIPE, text=True) as run:
        while not (disturbed / ".snakemake/planned.json").is_file() and run.poll() is None:
            time.sleep(0.02)
        run.send_signal(signal.SIGSTOP)
        try:
            before = _found(disturbed)
            assert {path.name for path in before} >= {"manifest.csv", "findings.csv", "files.json"}
            other = copy.deepcopy(CONFIG)
            other["datasets"]["b"]["seed"] = 7
            other["training"]["steps"] = 3
            write_pairs(disturbed / "data/b/train", [177])
            asked = [snakemake(disturbed, other, "-n", THETA)]  # the file of the config is another from here on
            asked += [snakemake(disturbed, other, THETA, option) for option in ("--summary", "--dag")]
            asked.append(derain("why", disturbed, other, THETA))
            progress(disturbed, other, THETA)
            assert [each.returncode for each in asked] == [0] * len(asked), [each.stderr for each in asked]
            assert _found(disturbed) == before
        finally:
            run.send_signal(signal.SIGCONT)
        errors = run.communicate()[1]
    assert run.returncode == 0, errors
    assert (disturbed / THETA).read_bytes() == (undisturbed / THETA).read_bytes()
    assert planned(snakemake(disturbed, other, "-n", THETA)) != []


def test_a_plan_in_a_folder_without_results_needs_none(tmp_path):
    folder = _folder(tmp_path / "run")
    (folder / "results").symlink_to("/proc/sys/kernel/random")  # where not even root can write
    jobs = planned(snakemake(folder, CONFIG, "-n", THETA))
    assert jobs == ["first stages/net/seed0/first/b/theta.safetensors", "pack datasets/b/training/pairs.csv"]
