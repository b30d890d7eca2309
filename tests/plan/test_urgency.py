"""What a run starts first: what the longest chain of trainings waits for."""

from types import SimpleNamespace

import pytest
from derain.curriculum import FIRST, JOINT, stage
from derain.plan.urgency import Urgency

ORDERS, METHODS = ["abc", "acb"], ("finetune", "nr")


@pytest.fixture(scope="module")
def urgency():
    sequences = {order[:n] for order in ORDERS for n in (1, 2, 3)} | {"b", "c"}  # those alone are references
    stages = {stage("net", 0, method, tuple(sequence)) for method in METHODS for sequence in sequences}
    return Urgency([*stages, stage("net", 0, JOINT, tuple("abc"))])


def _at(method, datasets):
    return SimpleNamespace(stage=stage("net", 0, method, tuple(datasets)).path)


def test_the_start_of_a_chain_goes_before_its_end_and_before_references(urgency):
    start, middle, end = (urgency.training(_at("nr", datasets)) for datasets in ("a", "ab", "abc"))
    assert (start, middle, end) == (2, 1, 0)
    assert urgency.training(_at(FIRST, "b")) == end
    assert urgency.training(_at(JOINT, "abc")) == start  # as long as a chain of its datasets


def test_what_a_chain_waits_for_goes_before_trainings_that_are_as_far_and_scores_after_them(urgency):
    """But the scores of a stage come before the trainings after the next one, so that they are seen early."""
    for datasets in ("a", "ab", "abc"):
        at = _at("nr", datasets)
        assert urgency.state(at) > urgency.training(at) > urgency.scores(at)
    assert urgency.scores(_at("nr", "a")) > urgency.training(_at("nr", "ab"))


def test_the_longest_of_several_orders_counts():
    stages = [stage("net", 0, "nr", tuple(order)) for order in ("ab", "ac", "acd")]
    assert Urgency(stages).training(_at("nr", "a")) == 2
    assert Urgency(reversed(stages)).training(_at("nr", "a")) == 2
