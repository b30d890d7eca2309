"""Another version of the project in the way: its library, its results, its stage store."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from commandline import arguments, environment, snakemake
from derain.config.experiment import read_experiment
from derain.files import tensors
from derain.files.metadata import metadata
from derain.plan.plan import Plan
from places import REPOSITORY

RAIN = {"angle": [0, 10], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.3]}
PHOTOGRAPHS = {"train": ["rocket.jpg"], "validation": ["coffee.png"], "test": ["chelsea.png"], "renders": 1, "tiles": 1}
EXPERIMENT = {
    "device": "cpu",
    "orders": [["a"]],
    "datasets": {"a": {"layout": "rendered", "rain": RAIN, **PHOTOGRAPHS}},
    "networks": {"net": {"backbone": "prenet", "stages": 1, "channels": 2, "blocks": 1}},
    "training": {"steps": 1, "batch": 1, "patch": 16},
    "methods": {"finetune": {}},
    "evaluation": {"previews": 0},
}
THETA = "results/stages/net/seed0/first/a/theta.safetensors"


def _errors(text):
    return [line for line in text.splitlines() if line.startswith("error: ")]


@pytest.mark.slow
def test_a_run_and_its_jobs_take_the_library_of_their_clone_whichever_is_first_in_the_environment(tmp_path):
    other = tmp_path / "site-packages/derain"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text('raise SystemExit("another version")', encoding="utf-8")
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "snakemake", *arguments(folder, EXPERIMENT), "--", THETA]
    own = environment(folder) | {"PYTHONPATH": os.pathsep.join([str(other.parent), str(tmp_path)])}
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "another version" not in done.stdout + done.stderr
    assert metadata(folder / THETA)["code"]


def test_a_library_that_a_job_finds_elsewhere_refuses_itself():
    """In an environment of its own, where the Snakefile cannot look."""
    own = os.environ | {"PYTHONPATH": str(REPOSITORY / "scripts"), "DERAIN_LIBRARY": "/some/clone/scripts/derain"}
    refused = subprocess.run([sys.executable, "-c", "import derain"], env=own, capture_output=True, text=True)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"error: {REPOSITORY / 'scripts/derain'}: ")
    assert "/some/clone/scripts/derain" in line
    own["DERAIN_LIBRARY"] = str(REPOSITORY / "scripts/derain")
    assert subprocess.run([sys.executable, "-c", "import derain"], env=own).returncode == 0


def test_results_of_an_earlier_version_are_refused_in_one_line_and_stay(tmp_path):
    """As they were when recipes were dicts of sections, without `method`."""
    folder = tmp_path / "run"
    (folder / THETA).parent.mkdir(parents=True)
    old = {"training": {"steps": 1}, "penalty": {}, "network": {"backbone": "prenet"}, "seed": 0}
    tensors.write(folder / THETA, {"conv.weight": np.zeros(3, np.float32)}, old)
    before = (folder / THETA).read_bytes()
    for more in (["-n"], []):
        refused = snakemake(folder, EXPERIMENT, *more)
        assert refused.returncode != 0
        (line,) = _errors(refused.stderr)
        assert line.startswith(f"error: {THETA}: was made by another version of this project")
        assert "Traceback" not in refused.stderr
        assert (folder / THETA).read_bytes() == before


@pytest.mark.slow
def test_what_this_version_makes_is_not_refused_and_the_jobs_run_the_clone(tmp_path):
    folder = tmp_path / "run"
    made = snakemake(folder, EXPERIMENT, THETA)
    assert made.returncode == 0, made.stderr
    assert metadata(folder / THETA)["format"] == 2
    again = snakemake(folder, EXPERIMENT, THETA, "-n")
    assert again.returncode == 0, again.stderr
    assert "Nothing to be done" in again.stdout + again.stderr


def test_the_key_of_an_entry_of_the_stage_store_tells_the_format():
    """So entries of earlier versions are never asked for."""
    artifact = Plan(read_experiment(EXPERIMENT)).made[THETA]
    plain = artifact.recipe.plain()
    earlier = artifact.recipe.model_copy(update={"format": 1})
    assert json.loads(json.dumps(plain))["format"] == 2
    assert replace(artifact, recipe=earlier).key != artifact.key
