from types import SimpleNamespace

import pytest
from derain.config import experiment as config
from derain.errors import UserError
from derain.plan.plan import Plan
from derain.run.pace import MARGIN, Pace
from entry import Wildcards

RAIN = {"angle": [0, 10], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.3]}
EXPERIMENT = {
    "orders": [["a", "b", "c"]],
    "datasets": {name: {"layout": "rendered", "rain": RAIN} for name in "abc"},
    "networks": {"net": {"backbone": "prenet"}},
    "importances": {"gradient": {"patches": 200, "shards": 3}},
    "methods": {"nr": {"penalty": {"importance": "gradient", "strength": 1.0}}},
    "training": {"steps": 301},
    "joint": {"steps_per_dataset": 100},
    "evaluation": {"theory_patches": 16},
}
AT = Wildcards(stage="net/seed0/nr/a/b/c", importance="gradient", shard="0")
FIRST, JOINT = Wildcards(stage="net/seed0/first/a"), Wildcards(stage="net/seed0/joint/a+b+c")


@pytest.fixture
def plan():
    return Plan(config.read_experiment(EXPERIMENT))


def test_a_job_is_worth_the_steps_of_its_recipe(plan):
    assert plan.theta.steps(FIRST) == plan.theta.steps(AT) == 301
    assert plan.theta.steps(JOINT) == 300
    assert plan.importance_shard.steps(AT) == 67
    assert plan.theory.steps(AT) == 2 * 2 * 16


def test_the_runtime_is_the_steps_at_the_pace_and_grows_with_the_attempt(plan):
    minutes = Pace({"steps_per_minute": SimpleNamespace(raw=60)}).runtime(plan.theta.steps)["runtime"]
    assert [minutes(AT, attempt) for attempt in (1, 2)] == [MARGIN + 6, 2 * (MARGIN + 6)]


@pytest.mark.parametrize("defaults", [None, {}, {"runtime": SimpleNamespace(raw=60)}])
def test_without_a_pace_a_rule_has_no_runtime(plan, defaults):
    """So that the default resource `runtime` holds, or no limit."""
    assert Pace(defaults).runtime(plan.theta.steps) == {}


@pytest.mark.parametrize("name", ["steps_per_minute", "longest"])
@pytest.mark.parametrize("value", [0, "0.5", "a lot", None])
def test_a_pace_and_a_limit_are_whole_numbers(name, value):
    with pytest.raises(UserError, match=rf"{name}: .* is no whole number above 0"):
        Pace({name: SimpleNamespace(raw=value)})


def test_a_time_limit_is_at_most_the_longest_one_and_the_first_that_is_cut_is_told(plan, capsys):
    pace = Pace({"steps_per_minute": SimpleNamespace(raw=60), "longest": SimpleNamespace(raw=30)})
    minutes = pace.runtime(plan.theta.steps)["runtime"]
    assert minutes(AT, 1) == MARGIN + 6 and capsys.readouterr().err == ""
    assert [minutes(AT, attempt) for attempt in (2, 3)] == [30, 30]
    assert pace.capped(29) == 29
    (line,) = capsys.readouterr().err.splitlines()
    cut = f"the first one instead of {2 * (MARGIN + 6)} min"
    assert line.startswith(f"notice: jobs request at most 30 min (longest), {cut}; ")


@pytest.mark.parametrize(("device", "gpus"), [("cpu", 0), ("cuda", 1), ("auto", 1)])
def test_graphics_cards_are_asked_for_where_one_may_be_used(device, gpus):
    plan = Plan(config.read_experiment(EXPERIMENT | {"device": device}))
    assert (plan.gpu, plan.gpus) == (gpus, gpus)
    training = EXPERIMENT.get("training", {}) | {"devices": 2, "parts": 2}
    plan = Plan(config.read_experiment(EXPERIMENT | {"device": device, "training": training}))
    assert (plan.gpu, plan.gpus) == (gpus, 2 * gpus)
