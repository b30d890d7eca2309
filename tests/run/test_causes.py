import pytest
from derain.run.causes import causes

KEYS = {"network": "networks.small", "penalty": "methods.nr.penalty", "rounding": "evaluation.rounding"}
SPEC = {
    "network": {"backbone": "prenet", "channels": 4},
    "training": {"steps": 2, "loss": "l1"},
    "datasets": {"a": "1", "b": "2"},
    "code": {"next": "1", "derain.method.losses": "1", "derain.method.penalty": "1"},
    "penalty": {"strength": 1.0, "form": "squared"},
}


def of(*changes, removed=()):
    """Causes of a recipe that differs from SPEC: (path with dots, value)."""
    spec = {key: dict(value) for key, value in SPEC.items() if key not in removed}
    for path, value in changes:
        section, key = path.split("/")
        spec[section][key] = value
    return causes([repr(SPEC)], {"spec": spec}, KEYS)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("penalty/strength", 2.0), "methods.nr.penalty.strength: 1.0 → 2.0"),
        (("training/loss", "mse"), "training.loss: l1 → mse"),
        (("network/channels", 8), "networks.small.channels: 4 → 8"),
        (("network/blocks", 8), "networks.small.blocks: none → 8"),
        (("datasets/b", "3"), "dataset b has other pairs"),
        (("datasets/c", "3"), "dataset c joined"),
        (("code/derain.losses", "2"), "code of derain.losses"),
        (("code/derain.omega", "2"), "code of derain.omega"),
    ],
)
def test_a_cause_is_told_by_the_key_the_dataset_or_the_module(change, told):
    assert of(change) == [told]


def test_all_causes_are_told_and_modules_as_one():
    found = of(("training/steps", 3), ("code/next", "2"), ("code/derain.losses", "2"), ("code/derain.omega", "1"))
    assert found == ["training.steps: 2 → 3", "code of next, derain.losses"]


def test_a_section_that_went_is_told_without_the_module_that_went_with_it():
    before = repr(SPEC)
    code = {key: value for key, value in SPEC["code"].items() if key != "derain.method.penalty"}
    now = {key: value for key, value in SPEC.items() if key != "penalty"} | {"code": code}
    assert causes([before], {"spec": now}, KEYS) == ["methods.nr.penalty: {'strength': 1.0, 'form': 'squared'} → none"]


def test_parameters_without_names_are_found_again_by_what_they_hold():
    before = {"rounding": ["nearest"], "methods": ["nr", "finetune"], "code": {"summarise": "1"}, "give_up": 0.1}
    now = {"code": {"summarise": "2"}, "methods": ["nr", "finetune", "lwf"], "rounding": ["nearest", "none"],
           "give_up": 0.2}  # fmt: skip
    found = causes([repr(value) for value in before.values()], now, KEYS)
    assert found == [
        "methods: +lwf", "evaluation.rounding: +none", "give_up: 0.1 → 0.2", "code of summarise"
    ]  # fmt: skip


def test_datasets_are_told_with_their_digests_or_without():
    assert causes([repr(["a", "b"])], {"datasets": ["a", "b", "e"]}, KEYS) == ["datasets: +e"]
    assert causes([repr({"a": "1"})], {"datasets": {"a": "1", "e": "2"}}, KEYS) == ["dataset e joined"]


def test_stages_are_told_by_method_and_datasets():
    place = {"network": "net", "seed": 0, "method": "nr", "datasets": ["a"]}
    assert causes([repr([place])], {"stages": [place, place | {"datasets": ["a", "b"]}]}, {}) == ["stages: +nr/a/b"]
