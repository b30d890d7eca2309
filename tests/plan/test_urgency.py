"""What a run starts first: what the longest chain of trainings begins with."""

from types import SimpleNamespace

import pytest
from derain.config.methods import Method
from derain.curriculum import FIRST, JOINT, stage
from derain.plan.urgency import Urgency

ORDERS, PASSES = ["abc", "acb"], {"finetune": 1, "nr": 7 / 3}


@pytest.fixture(scope="module")
def urgency():
    sequences = {order[:n] for order in ORDERS for n in (1, 2, 3)} | {"b", "c"}  # those alone are references
    stages = {stage("net", 0, method, tuple(sequence)) for method in PASSES for sequence in sequences}
    return Urgency([*stages, stage("net", 0, JOINT, tuple("abc"))], PASSES)


def _at(method, datasets):
    return SimpleNamespace(stage=stage("net", 0, method, tuple(datasets)).path)


def test_the_start_of_a_chain_goes_before_its_end_and_before_references(urgency):
    starts = [urgency.training(_at("nr", datasets)) for datasets in ("a", "ab", "abc")]
    assert starts == pytest.approx([1 + 14 / 3, 14 / 3, 7 / 3])
    assert [urgency.training(_at("finetune", datasets)) for datasets in ("ab", "abc")] == [2, 1]
    assert urgency.training(_at(FIRST, "b")) == 1
    assert urgency.training(_at(JOINT, "abc")) == 3  # as long as a chain of its datasets


def test_what_a_chain_waits_for_goes_before_trainings_that_are_as_far_and_scores_after_the_next_training(urgency):
    """But the scores of a stage come before the trainings after the next one, so that they are seen early."""
    for method in PASSES:
        for datasets in ("a", "ab", "abc"):
            at = _at(method, datasets)
            assert urgency.state(at) > urgency.training(at) > urgency.scores(at)
    longest = [urgency.training(_at("nr", datasets)) for datasets in ("ab", "abc")]
    assert longest[0] > urgency.scores(_at("nr", "a")) > longest[1]


def test_the_longest_of_several_orders_counts():
    stages = [stage("net", 0, "nr", tuple(order)) for order in ("ab", "ac", "acd")]
    assert Urgency(stages, {}).training(_at("nr", "a")) == 3
    assert Urgency(reversed(stages), {}).training(_at("nr", "a")) == 3


@pytest.mark.parametrize(
    ("method", "passes"),
    [
        ({}, 1),
        ({"penalty": {"strength": 1}}, 1),
        ({"distillation": {"strength": 1}}, 4 / 3),
        ({"distillation": {"strength": 0, "rain": [0.2, 5]}}, 1),
        ({"distillation": {"strength": 1, "rain": [0.2, 5]}}, 7 / 3),
        ({"distillation": {"strength": 1, "intensity": "rain"}}, 7 / 3),
        ({"memory": {"name": "rain", "share": 0.5}}, 1),
        ({"memory": {"name": "rain", "share": 0.5, "places": "add"}, "distillation": {"strength": 1}}, 1.5 + 1 / 3),
    ],
)
def test_passes_of_a_step_are_those_of_the_ingredients_that_act(method, passes):
    assert Method(**method).passes == pytest.approx(passes)
