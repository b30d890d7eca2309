"""Fingerprints: which files of stages are another's under another name, which only look like it."""

import json
from types import SimpleNamespace

import pytest
from derain.config import experiment as config
from derain.plan import codedigest
from derain.plan.plan import Plan

RAIN = {"angle": [0, 10], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.3]}
HOLD = {"penalty": {"importance": "gradient", "strength": 1}, "distillation": {"strength": 0.1}}
EXPERIMENT = {
    "orders": [["a", "b", "c"]],
    "datasets": {name: {"layout": "rendered", "rain": RAIN} for name in "abc"},
    "networks": {"net": {"backbone": "prenet"}},
    "importances": {"gradient": {"patches": 4, "shards": 2}},
    "intensities": {"rain": {}},
    "memories": {"pairs": {}},
    "methods": {
        "finetune": {},
        "nr": HOLD,
        "as-old": {"distillation": {"strength": 1, "intensity": "rain"}},
        "replay": {"memory": {"name": "pairs"}},
        "searched": HOLD | {"search": {"scales": [2, 1]}},
    },
    "joint": {"steps_per_dataset": 5},
}
PAIRS = {"a": "1", "b": "2", "c": "3"}


def fingerprints(changes=(), pairs=None):
    """Of every training and every shard of the experiment, by the path below results/."""
    changed = json.loads(json.dumps(EXPERIMENT))  # a copy in which nothing is shared
    for path, value in dict(changes).items():
        *parents, last = path.split(".")
        section = changed
        for key in parents:
            section = section.setdefault(key, {})
        section[last] = value
    found = pairs or PAIRS
    sources = SimpleNamespace(pairs=lambda dataset, use: f"{found[dataset]} {use}")
    plan = Plan(config.read_experiment(changed), sources)
    return {
        file.removeprefix("results/"): plan.made[file].key for file in [*plan.trainings, *adopted(plan), *plan.shards]
    }


def adopted(plan):
    return plan.made_by("adopt")


def differing(**how):
    """Stages (as method/datasets) whose fingerprint a change changes: θ, and where it has some the shards of its Ω."""
    before, after = fingerprints(), fingerprints(**how)
    assert before.keys() == after.keys()
    return {"/".join(file.split("/")[3:-1]) for file in before if before[file] != after[file]}


EVERY = {
    "first/a", "first/b", "first/c", "joint/a+b+c",
    "finetune/a/b", "finetune/a/b/c", "as-old/a/b", "as-old/a/b/c", "nr/a/b", "nr/a/b/c", "replay/a/b", "replay/a/b/c",
    *(f"searched/a/{end}/scale-{scale}" for end in ("b", "b/c") for scale in (0, 2, 1)),
    "searched/a/b", "searched/a/b/c",
}  # fmt: skip
NR = {"nr/a/b", "nr/a/b/c"}
SEARCHED = {stage for stage in EVERY if stage.startswith("searched")}
THIRD = {stage for stage in EVERY if stage.endswith("a/b/c") or "/a/b/c/scale" in stage}
CASES = {
    "strength": ({"methods.nr.penalty.strength": 2}, NR),
    "form": ({"methods.nr.penalty.form": "absolute"}, NR),
    "accumulation": ({"methods.nr.penalty.accumulation": "sum"}, {"nr/a/b/c"}),
    "intensity": ({"intensities.rain.patches": 5}, {"as-old/a/b", "as-old/a/b/c"}),
    "memory": ({"memories.pairs.patches": 5}, {"replay/a/b", "replay/a/b/c"}),
    "joint": ({"joint.steps_per_dataset": 6}, {"joint/a+b+c"}),
    "rate": ({"training.learning_rate": 0.1}, EVERY),
    "network": ({"networks.net.channels": 8}, EVERY),
    "workers": ({"training.workers": 3}, set()),
    "previews": ({"evaluation.previews": 9}, set()),
    "store": ({"stage_store": "/somewhere"}, set()),
    # the choice of the second stage, and all that goes on from it
    "choice": ({"methods.searched.search.give_up": 0.5}, (SEARCHED & THIRD) | {"searched/a/b"}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fingerprint_follows_what_decides_its_stage_and_the_stages_before(case):
    changes, expected = CASES[case]
    assert differing(changes=changes) == expected


def test_an_importance_decides_its_shards_and_the_stages_that_use_it():
    changed = differing(changes={"importances.gradient.patches": 6})
    assert changed == {"first/a"} | NR | SEARCHED
    before, after = fingerprints(), fingerprints(changes={"importances.gradient.patches": 6})
    theta = "stages/net/seed0/first/a/theta.safetensors"
    assert before[theta] == after[theta]


def test_equal_paths_with_other_data_are_told_apart_as_far_as_the_data_go():
    assert differing(pairs=PAIRS | {"c": "other"}) == THIRD | {"first/c", "joint/a+b+c"}
    assert differing(pairs=PAIRS | {"a": "other"}) == EVERY - {"first/b", "first/c"}


def test_files_share_a_fingerprint_only_where_they_are_the_same_by_recipe():
    """The candidate of scale 1 is the method that is not searched; all others differ."""
    by_fingerprint = {}
    for file, fingerprint in fingerprints().items():
        by_fingerprint.setdefault(fingerprint, []).append(file)
    shared = [[file.split("/", 3)[3] for file in files] for files in by_fingerprint.values() if len(files) > 1]
    assert shared == [["nr/a/b/theta.safetensors", "searched/a/b/scale-1/theta.safetensors"]]


def test_seeds_and_networks_are_told_apart_and_the_folder_and_the_name_of_a_method_are_not():
    alike = fingerprints({"methods.twin": HOLD})
    for end in ("b", "b/c"):
        twins = [alike[f"stages/net/seed0/{method}/a/{end}/theta.safetensors"] for method in ("nr", "twin")]
        assert twins[0] == twins[1]
    seeds = fingerprints({"seeds": [0, 1]})
    assert seeds["stages/net/seed0/first/a/theta.safetensors"] != seeds["stages/net/seed1/first/a/theta.safetensors"]


def test_a_formula_changes_the_fingerprints_of_the_methods_that_use_it(monkeypatch):
    before = fingerprints()
    real = codedigest._file_digest
    monkeypatch.setattr(codedigest, "_file_digest", lambda path: real(path) if path.stem != "penalty" else "0" * 64)
    codedigest.code_digest.cache_clear()
    after = fingerprints()
    codedigest.code_digest.cache_clear()
    changed = {file.split("/")[3] for file in before if before[file] != after[file]}
    assert changed == {"nr", "searched"}
