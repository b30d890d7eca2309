"""Modules that a code digest leaves out change no number: whatever their functions return, the outputs of a tiny
experiment are the same, or it ends in an error.
"""

import json
import subprocess
import sys

import pytest
from derain.config.experiment import read_experiment
from derain.plan.codedigest import NEUTRAL
from derain.plan.plan import Plan
from perturbed import EXPERIMENT
from places import REPOSITORY

BESIDE = {"derain.machine", "derain.training.tensorboard"}  # that only neutral modules import in jobs with a network
DECIDE = {"derain.evaluation.restoring", "derain.evaluation.validation"}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What came of each function's perturbation, and the outputs of the experiment."""
    modules = sorted(NEUTRAL | BESIDE | DECIDE)
    command = [sys.executable, REPOSITORY / "tests/perturbed.py", tmp_path_factory.mktemp("perturbed"), *modules]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _in(told, modules):
    """Of functions of the modules."""

    def module(function):
        return max((each for each in NEUTRAL | BESIDE | DECIDE if function.startswith(f"{each}.")), key=len)

    return {function: came for function, came in told["functions"].items() if module(function) in modules}


@pytest.mark.slow
def test_the_experiment_has_every_kind_of_output(told):
    names = {path.rpartition("/")[2] for path in told["outputs"]}
    assert names >= {"theta.safetensors", "training.csv", "omega.safetensors", "memory.safetensors", "strength.csv",
                     "omega-gradient.shard1of2.safetensors", "memory-rain.safetensors",
                     "intensity.safetensors", "intensity-rain.safetensors", "theory.csv", "all.npz",
                     "all.csv", "rainy.csv", "blend.csv", "alpha-0.5.csv", "omega-gradient-alpha-0.5.csv"}  # fmt: skip


@pytest.mark.slow
def test_neutral_functions_change_no_output(told):
    of_neutral = _in(told, NEUTRAL | BESIDE)
    assert {name for name, came in of_neutral.items() if came == "different"} == set()
    assert sum(came == "same" for came in of_neutral.values()) > 10


@pytest.mark.slow
def test_a_perturbed_validation_is_seen(told):
    """As they are named here: `choose` reads what validation writes."""
    assert set(_in(told, DECIDE).values()) == {"different"}


def test_a_recipe_gives_back_what_it_was_given():
    """What the plan wrote into the parameters is what the job reads."""
    recipes = [artifact.recipe for artifact in Plan(read_experiment(EXPERIMENT)).made.values()]
    assert len({type(recipe) for recipe in recipes}) >= 5
    for recipe in recipes:
        plain = json.loads(json.dumps(recipe.plain()))
        read = type(recipe)(**plain)
        assert read == recipe
        assert json.loads(json.dumps(read.plain())) == plain
        for name, value in plain.items():
            given = getattr(read, name)
            shown = given.model_dump(mode="json", exclude_none=True) if hasattr(given, "model_dump") else given
            assert json.loads(json.dumps(shown)) == value
