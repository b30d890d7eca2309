"""Options of ingredients that act in the loop, as the job of a stage applies them by its recipe: each moves θ."""

import csv
from itertools import combinations

import numpy as np
import pytest
import torch
from derain.config import experiment as config
from derain.errors import UserError
from derain.files import tensors
from derain.method.ingredients import INGREDIENTS
from derain.networks import build, weights
from derain.plan.plan import Plan
from derain.plan.recipes import TrainingRecipe
from derain.training.job import Job
from derain.training.stage import train_stage
from entry import Wildcards
from tiny import TINY

pytestmark = pytest.mark.numerical

RAIN = {"angle": [0, 10], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.3]}
MEMORY, PENALTY = {"name": "rain"}, {"importance": "gradient", "strength": 3}
METHODS = {
    "finetune": {},
    "replace": {"memory": MEMORY},
    "add": {"memory": MEMORY | {"places": "add"}},
    "distil-all": {"memory": MEMORY, "distillation": {"strength": 1}},
    "distil-as-old": {"distillation": {"strength": 1, "intensity": "rain"}},
    "distil": {"distillation": {"strength": 1}},
    "penalty": {"penalty": PENALTY},
}
EXPERIMENT = {
    "device": "cpu",
    "orders": [["a", "b"]],
    "datasets": {name: {"layout": "rendered", "rain": RAIN} for name in "ab"},
    "networks": {"net": TINY},
    "training": {"steps": 3, "batch": 2, "patch": 16, "warmup": 0},
    "importances": {"gradient": {}},
    "intensities": {"rain": {}},
    "memories": {"rain": {"patches": 4}},
    "methods": METHODS,
}


@pytest.fixture
def trained(pairs, tmp_path, monkeypatch):
    """θ and training table of the stage of a method."""
    monkeypatch.setattr(Job, "pairs", lambda job, split: pairs)
    rng = np.random.default_rng(0)
    theta = weights.of_network(build(**TINY))
    files = {name: str(tmp_path / f"{name}.safetensors") for name in ("theta", "omega", "intensity", "memory")}
    tensors.write(files["theta"], theta, {})
    tensors.write(files["omega"], {n: rng.exponential(size=a.shape).astype(np.float32) for n, a in theta.items()}, {})
    tensors.write(files["intensity"], {"a": rng.uniform(0.2, 0.3, 5).astype(np.float32)}, {})
    tensors.write(files["memory"], {"a": rng.integers(0, 90, (4, 3, 16, 16)).astype(np.int16)}, {})

    def made(method, again="", **training):
        experiment = config.read_experiment(EXPERIMENT | {"training": EXPERIMENT["training"] | training})
        plan, settings = Plan(experiment), experiment.model_dump(mode="json")
        recipe = TrainingRecipe(**plan.theta.recipe(Wildcards(stage=f"net/seed0/{method}/a/b")))
        job = Job(recipe, ["t"], ["p"], settings, None)
        states = {each.name: each.state.file for each in INGREDIENTS if experiment.kind_of(method, each.name)}
        parents = {file: files[file] for file in ("theta", *states.values())}
        folder = tmp_path / f"{method}{again}"
        folder.mkdir()
        places = (str(folder / "theta.safetensors"), str(folder / "training.csv"), str(folder / "log"))
        train_stage(job, files["theta"], parents, *places, None)
        with (folder / "training.csv").open(encoding="utf-8") as table:
            columns = next(csv.reader(table))
        arrays = tensors.read(places[0])[0]
        return np.concatenate([arrays[name].ravel() for name in sorted(arrays)]), columns

    return made


def test_each_option_ends_at_a_theta_of_its_own_and_at_the_same_one_again(trained):
    found = {method: trained(method)[0] for method in METHODS}
    assert all(np.isfinite(theta).all() for theta in found.values())
    for one, other in combinations(METHODS, 2):
        assert np.abs(found[one] - found[other]).max() > 1e-5, (one, other)
    for method in ("distil-all", "distil-as-old"):
        assert np.array_equal(trained(method, "-again")[0], found[method])


@pytest.mark.slow
def test_a_compiled_training_ends_beside_the_one_that_is_not_and_without_a_compiler_in_one_line(trained, monkeypatch):
    """Once more compiled, it ends at the same bytes, with the same validation: its images are not compiled."""
    plain, compiled, again = (
        trained("penalty", f"-{n}", compile=mode) for n, mode in enumerate((None, "default", "default"))
    )
    assert compiled[1] == plain[1]
    assert 0 < np.abs(compiled[0] - plain[0]).max() < 1e-4
    assert np.array_equal(compiled[0], again[0])
    monkeypatch.setenv("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("/nowhere/g++",))
    torch.compiler.reset()
    with pytest.raises(UserError, match=r"training\.compile: torch\.compile failed"):
        trained("penalty", "-without", compile="default")
