"""A given network that has learned datasets elsewhere and learns more: the start of its orders is given."""

import copy
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from commandline import snakemake
from derain.config.experiment import read_experiment
from derain.curriculum import FIRST, JOINT, Stage, along, predecessor, stage
from derain.errors import UserError
from derain.evaluation.continual import continual_table, matrix_table
from derain.evaluation.metrics import METRICS
from derain.files import tensors
from derain.files.digest import file_digest
from derain.files.metadata import A_THETA, AN_OMEGA, kind_of
from derain.networks import build, weights
from derain.plan.given import given_faults
from derain.plan.page import PagePlan
from derain.plan.plan import Plan
from derain.training.given import given_importance
from entry import Wildcards
from faults import faults_of
from tiny import TINY

RAIN = {"angle": [-9, 9], "length": [7, 9], "width": 1.2, "density": 0.02, "brightness": [0.2, 0.4]}


def _dataset(seed):
    return {
        "layout": "rendered", "rain": RAIN, "seed": seed, "renders": 1, "tile": 32, "tiles": 2,
        "train": ["rocket.jpg"], "validation": ["coffee.png"], "test": ["chelsea.png"],
    }  # fmt: skip


@pytest.fixture
def raw(published):
    """A given network that has learned heavy rain learns light rain."""
    return {
        "device": "cpu",
        "orders": [["heavy", "light"]],
        "datasets": {"heavy": _dataset(0), "light": _dataset(1), "late": _dataset(2)},
        "networks": {"net": {**TINY, "initial_weights": str(published), "learned": ["heavy"]}},
        "training": {"steps": 2, "batch": 2, "patch": 16, "checkpoint_every": 0},
        "importances": {"gradient": {"patches": 4}, "output": {"of": "output", "patches": 4}},
        "memories": {"rain": {"patches": 2}},
        "methods": {
            "finetune": {},
            "nr": {"penalty": {"importance": "gradient", "strength": 1}, "distillation": {"strength": 0.5}},
            "kept": {"memory": {"name": "rain"}},
        },
        "joint": {"steps_per_dataset": 2, "prefixes": True},
        "evaluation": {"theory_patches": 1, "previews": 1},
    }


def _plan(raw):
    sources = SimpleNamespace(pairs=lambda name, use: f"{name} {use}", weights=file_digest)
    return Plan(read_experiment(raw), sources)


def _paths(raw):
    return [each.path for each in _plan(raw).stages]


def _faults(raw):
    return [line.removeprefix("config: ") for line in faults_of(read_experiment, raw)]


# --- stages ---------------------------------------------------------------------------------------------------------


def test_several_learned_datasets_are_one_stage_and_its_path_gives_it_back():
    last = stage("net", 3, "nr", ("a", "b", "c", "d"), 2)
    assert [each.path for each in along(last)] == [
        "net/seed3/first/a+b", "net/seed3/nr/a+b/c", "net/seed3/nr/a+b/c/d"
    ]  # fmt: skip
    assert [each.own for each in along(last)] == [("a", "b"), ("c",), ("d",)]
    for each in along(last):
        assert Stage.of_path(each.path) == each
    first = predecessor(along(last)[1])
    assert first == Stage("net", 3, FIRST, ("a", "b"), 2)
    assert predecessor(first) is None


def test_nothing_trains_on_what_was_learned_and_nothing_is_trained_for_reference(raw):
    plan = _plan(raw)
    assert [each.path for each in plan.stages] == [
        "net/seed0/finetune/heavy/light", "net/seed0/first/heavy", "net/seed0/kept/heavy/light",
        "net/seed0/nr/heavy/light",
    ]  # fmt: skip
    assert sorted(each.method for each in plan.trained) == ["finetune", "kept", "nr"]
    rules = {artifact.rule for artifact in plan.made.values()}
    assert rules == {"given", "next", "importance_shard", "importance", "state"}
    given = plan.made["results/stages/net/seed0/first/heavy/theta.safetensors"]
    assert given.recipe.plain()["initial_weights"] == file_digest(raw["networks"]["net"]["initial_weights"])
    assert given.inputs == {}
    assert not any("initial_weights" in a.recipe.plain() for a in plan.made.values() if a.rule == "next")


def test_references_are_trained_from_the_given_weights_if_the_config_asks_for_them(raw):
    before = _paths(raw)
    raw["networks"]["net"]["references"] = True
    plan = _plan(raw)
    assert {each.path for each in plan.stages} - {*before} == {
        "net/seed0/first/light", "net/seed0/joint/heavy+light"
    }  # fmt: skip
    for path in ("first/light", "joint/heavy+light"):
        made = plan.made[f"results/stages/net/seed0/{path}/theta.safetensors"]
        assert made.recipe.initial_weights == file_digest(raw["networks"]["net"]["initial_weights"])


def test_rules_take_the_stages_that_are_theirs(raw):
    raw["networks"]["own"] = TINY
    raw["networks"]["both"] = raw["networks"]["net"] | {"learned": ["heavy", "light"]}
    plan = _plan(raw)
    for each in plan.stages:
        artifact = plan.artifacts.theta(each)
        found = [kind for kind in ("first", "given", "joint") if re.fullmatch(plan.paths_of(kind), each.path)]
        assert found == ([artifact.rule] if artifact.rule != "next" else [])
        assert bool(re.fullmatch(plan.paths_with_past("next"), each.path)) == (artifact.rule == "next")
    given = {path for path in (each.path for each in plan.stages) if re.fullmatch(plan.paths_of("given"), path)}
    assert given == {"net/seed0/first/heavy", "both/seed0/first/heavy+light"}
    assert "own/seed0/first/heavy" in {each.path for each in plan.trained}


def test_a_stand_in_gives_the_pairs_of_omega_memory_and_diagnostic(raw):
    raw["networks"]["net"]["stand_in"] = "late"
    raw["evaluation"]["datasets"] = ["late"]
    plan = _plan(raw)
    states = [artifact for artifact in plan.made.values() if "first/heavy/" in artifact.file and artifact.datasets]
    assert {artifact.rule for artifact in states} == {"importance_shard", "state"}
    for artifact in states:
        assert artifact.datasets == ("late",)
        assert artifact.recipe.datasets == {"late": "late training"}
    after = SimpleNamespace(stage="net/seed0/nr/heavy/light")
    assert plan.theory.recipe(after)["datasets"] == {"late": "late training"}
    assert plan.theory.inputs(after)["tables"] == ["results/datasets/late/training/pairs.csv"]


def test_datasets_that_are_not_at_hand_need_no_pairs_where_omega_is_given(raw, tmp_path):
    for side in ("rain", "norain"):
        (tmp_path / "old/test" / side).mkdir(parents=True)
    places = {"rainy": "test/rain/{scene}.png", "clean": "test/norain/{scene}.png"}
    raw["datasets"]["heavy"] = {"layout": "folders", "root": str(tmp_path / "old"), "test": places}
    raw["evaluation"]["theory_patches"] = 0
    assert [line.partition(":")[0] for line in _faults(raw)] == ["datasets.heavy"]
    del raw["methods"]["kept"]
    (tmp_path / "omega.safetensors").touch()
    raw["networks"]["net"]["omega"] = {"gradient": str(tmp_path / "omega.safetensors")}
    plan = _plan(raw)
    assert plan.experiment.trained_datasets == ["light"]
    (omega,) = [artifact for artifact in plan.made.values() if "omega" in artifact.file]
    assert (omega.rule, list(omega.inputs), omega.datasets) == ("importance", ["theta"], ())
    assert omega.recipe.plain()["omega"] == file_digest(tmp_path / "omega.safetensors")


def test_no_chart_compares_omegas_where_the_given_stage_has_the_only_one(raw):
    raw["orders"] = [["heavy", "late", "light"]]
    raw["networks"]["net"]["learned"] = ["heavy", "late"]
    names = [figure["name"] for figure in PagePlan(_plan(raw)).figures]
    assert "omega-layers-net-1" in names
    assert "omega-overlap-net-1" not in names
    raw["networks"]["net"]["learned"] = ["heavy"]
    assert "omega-overlap-net-1" in [figure["name"] for figure in PagePlan(_plan(raw)).figures]


# --- what decides what ----------------------------------------------------------------------------------------------


def _decided(raw):
    """What decides each file."""
    return {
        file: (artifact.recipe.plain(), artifact.inputs, artifact.key) for file, artifact in _plan(raw).made.items()
    }


def test_another_path_of_the_same_bytes_changes_nothing(raw, published, tmp_path):
    before = _decided(raw)
    (tmp_path / "copy.pth").write_bytes(published.read_bytes())
    raw["networks"]["net"]["initial_weights"] = str(tmp_path / "copy.pth")
    assert _decided(raw) == before


def test_other_bytes_change_theta_and_the_keys_of_all_that_descends_from_it(raw, published):
    before = _decided(raw)
    torch.save(build(**TINY).state_dict(), published)
    after = _decided(raw)
    changed = {file for file in before if before[file][:2] != after[file][:2]}
    assert changed == {"results/stages/net/seed0/first/heavy/theta.safetensors"}
    same = {file for file in before if before[file][2] == after[file][2]}
    assert same == {"results/stages/net/seed0/first/heavy/memory-rain.safetensors"}  # rain layers, without θ


def test_what_was_learned_decides_the_paths_and_the_pairs(raw):
    before = _decided(raw)
    raw["orders"] = [["heavy", "late", "light"]]
    raw["networks"]["net"]["learned"] = ["heavy", "late"]
    after = _decided(raw)
    assert not before.keys() & after.keys()
    assert "results/stages/net/seed0/nr/heavy+late/light/theta.safetensors" in after
    recipe = after["results/stages/net/seed0/first/heavy+late/omega-gradient.safetensors"][0]
    assert recipe["datasets"] == {"heavy": "heavy training", "late": "late training"}


# --- config ---------------------------------------------------------------------------------------------------------

NET = ("networks", "net")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"orders": [["light", "heavy"]]},
         "orders[0]: does not begin with heavy, which networks.net has learned; did you mean [heavy, light]?"),
        ({"orders": [["heavy", "light"], ["light", "late"]]},
         "orders[1]: does not begin with heavy, which networks.net has learned; did you mean [heavy, light, late]?"),
        ({NET: {"learned": ["light", "heavy"]}},
         "orders[0]: does not begin with light, heavy, which networks.net has learned; did you mean [light, heavy]?"),
        ({NET: {"learned": ["havey"]}},
         "networks.net.learned: no dataset is called 'havey'; did you mean 'heavy'?"),
        ({NET: {"stand_in": "other"}, "orders": [["heavy", "nowhere"]],
          "datasets": {"heavy": _dataset(0), "light": _dataset(1) | {"rain": {"layers_of": "heavy"}}}},
         "orders[0]: no dataset is called 'nowhere' (known: heavy, light)"),
        ({NET: {"learned": ["heavy", "heavy"]}}, "networks.net.learned: 'heavy' stands twice"),
        ({NET: {"initial_weights": None}}, "networks.net.initial_weights: is required with learned"),
        ({NET: {"evaluate_only": True}},
         "networks.net.learned: is for networks that learn more; with evaluate_only nothing is learned"),
        ({NET: {"stand_in": "late"}},
         "networks.net.stand_in: no scored dataset is called 'late' (known: heavy, light)"),
        ({NET: {"omega": {"gradeint": "o"}}},
         "networks.net.omega: no importance is called 'gradeint'; did you mean 'gradient'?"),
        ({NET: {"omega": {"gradient": "nowhere"}}}, "networks.net.omega.gradient: there is no file 'nowhere'"),
        ({NET: {"stand_in": "late"}, "orders": [["heavy", "light"], ["heavy", "light", "late"]]},
         "networks.net.stand_in: 'late' is learned later, by orders[1]; a stand-in is a dataset of evaluation.datasets "
         "or of learned"),
        ({NET: {"learned": [], "references": True}},
         "networks.net.references: needs learned, the datasets that the weights have learned"),
        ({NET: {"learned": [], "stand_in": "light"}},
         "networks.net.stand_in: needs learned, the datasets that the weights have learned"),
    ],
)  # fmt: skip
def test_a_fault_is_a_line_that_names_its_key(raw, change, line):
    raw = copy.deepcopy(raw)
    for where, value in change.items():
        if where == NET:
            raw["networks"]["net"] |= value
        else:
            raw[where] = value
    assert line in _faults(raw)


def test_the_chord_of_given_weights_begins_at_them_and_its_omega_needs_their_pairs_or_a_stand_in(raw):
    raw["datasets"]["heavy"] = {"layout": "real", "root": ".", "test": {"rainy": "{scene}.png"}}
    raw["evaluation"] = {"chord": [0.5]}
    raw["methods"] = {"finetune": {}}
    plan = _plan(raw)
    (second,) = plan.chorded
    at = Wildcards(stage=second.path, alpha="0.5")
    assert plan.chord.inputs(at)["thetas"] == [
        f"results/stages/net/seed0/{path}/theta.safetensors" for path in ("first/heavy", "finetune/heavy/light")
    ]
    assert plan.chord.recipe(at)["at_once"] == 1
    raw["evaluation"]["chord_importance"] = "gradient"
    assert any("diagnostic need its pairs" in line for line in _faults(raw))


@pytest.mark.parametrize(
    "ingredients",
    [
        {"penalty": {"importance": "gradient", "strength": 1}},
        {"distillation": {"strength": 1, "intensity": "rain"}},
        {"memory": {"name": "rain"}},
    ],
)
def test_every_state_of_given_weights_needs_their_pairs_or_a_stand_in(raw, ingredients):
    raw["datasets"]["heavy"] = {"layout": "real", "root": ".", "test": {"rainy": "{scene}.png"}}
    raw["evaluation"] = {"datasets": ["late"]}
    raw["intensities"] = {"rain": {}}
    raw["methods"] = {"one": ingredients}
    assert _faults(raw) == [
        "datasets.heavy: stands in networks.net.learned, without stand_in, and Ω, intensities, memory or diagnostic "
        "need its pairs, but has no train patterns (layout real)"
    ]
    raw["networks"]["net"]["stand_in"] = "late"
    _plan(raw)


def test_a_theta_of_this_workflow_gives_the_options_of_its_network(raw, tmp_path):
    file = tmp_path / "theta.safetensors"
    tensors.write(file, weights.of_network(build(**TINY)), {"network": TINY | {"lstm": True, "shared_block": False}})
    for more in ({"learned": ["heavy"]}, {"evaluate_only": True}):
        raw["networks"] = {"own": TINY, "net": {"initial_weights": str(file), **more}}
        network = read_experiment(raw).networks["net"]
        assert network.model_dump(include={*TINY}) == TINY
        raw["networks"]["net"] |= {"stages": 3}  # no tensor shows the number of recurrent stages
        raw["networks"]["net"] |= {"backbone": "prenet"}
        assert f"networks.net.stages: is 3, and {str(file)!r} was trained with 1" in _faults(raw)


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        ({"network": TINY, "importance": {}}, "an Ω"),
        ({"network": TINY, "importance": {}, "count": 2}, "a shard of an Ω"),
        ({"network": TINY, "omega": "0"}, "an Ω"),
        ({"how": "mean"}, "an Ω"),
        ({"module": "derain.method.memory"}, "a state of a method"),
    ],
)
@pytest.mark.parametrize("more", [{"learned": ["heavy"]}, {"evaluate_only": True}, {}])
def test_initial_weights_that_are_another_file_of_this_workflow_are_one_line(raw, tmp_path, made, kind, more):
    file = tmp_path / "file.safetensors"
    tensors.write(file, weights.of_network(build(**TINY)), made)
    raw["networks"] = {"own": TINY, "net": {**TINY, "stages": 3, "initial_weights": str(file), **more}}
    assert _faults(raw) == [f"networks.net.initial_weights: {str(file)!r} is {kind}, no θ"]


def test_the_metadata_of_every_file_say_what_it_is(raw, tmp_path):
    raw["networks"]["trained"] = TINY
    (tmp_path / "omega.safetensors").touch()
    raw["networks"]["net"]["omega"] = {"gradient": str(tmp_path / "omega.safetensors")}
    raw["orders"] = [["heavy", "light", "late"]]
    raw["importances"]["gradient"]["shards"] = 2
    raw["intensities"] = {"rain": {}}
    raw["methods"] |= {
        "as_old": {"distillation": {"strength": 1, "intensity": "rain"}},
        "blended": {"blend": {}},
        "searched": raw["methods"]["nr"] | {"search": {"scales": [1]}},
    }
    kinds = {"importance": AN_OMEGA, "accumulate": AN_OMEGA, "importance_shard": "a shard of an Ω"}
    kinds |= {"state": "a state of a method"}
    made = [artifact for artifact in _plan(raw).made.values() if artifact.rule != "adopt"]  # a copy of a candidate
    assert {each.rule for each in made} == {*kinds, "first", "next", "joint", "candidate", "blend", "given"}
    for each in made:
        recorded = each.recipe.plain() | ({"count": 1} if each.rule == "importance_shard" else {})
        assert kind_of(recorded) == kinds.get(each.rule, A_THETA), each.file
    assert kind_of({}) is None


# --- Ω that is given ------------------------------------------------------------------------------------------------


def _omega(network, **other):
    arrays = {name: np.ones(tuple(p.shape), np.float32) for name, p in network.named_parameters()}
    return arrays | other


def test_a_given_omega_is_read_as_float64(tiny, tmp_path):
    file = str(tmp_path / "omega.safetensors")
    tensors.write(file, _omega(tiny), {})
    found = given_importance(file, tiny)
    assert {name: (values.dtype, values.shape) for name, values in found.items()} == {
        name: (np.float64, tuple(p.shape)) for name, p in tiny.named_parameters()
    }


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("conv.0.bias", -np.ones(3, np.float32), "conv.0.bias has values that are no finite numbers ≥ 0"),
        ("conv.0.bias", np.full(3, np.nan, np.float32), "conv.0.bias has values that are no finite numbers ≥ 0"),
        ("conv.0.bias", np.ones(3, np.int64), "conv.0.bias has values that are no finite numbers ≥ 0"),
        ("conv.0.bias", np.ones(4, np.float32), "conv.0.bias is (4,), not (3,)"),
        ("other", np.ones(3, np.float32), "other is no parameter"),
        ("conv.0.bias", None, "conv.0.bias is missing"),
    ],
)
def test_a_given_omega_that_is_none_is_refused(tiny, tmp_path, name, value, fault):
    file = str(tmp_path / "omega.safetensors")
    arrays = _omega(tiny, **{name: value})
    tensors.write(file, {name: values for name, values in arrays.items() if values is not None}, {})
    with pytest.raises(UserError, match=f"is no Ω of the network \\({re.escape(fault)}\\)"):
        given_importance(file, tiny)


GRADIENT = {"of": "loss", "power": "absolute", "per": "sample", "patches": 9, "shards": 3}
MADE = {"network": TINY, "importance": GRADIENT, "parents": {"theta": "THETA"}}


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        ({}, None),
        ({"note": "of somebody else"}, None),
        (MADE, None),  # more patches and shards estimate the same
        ({"how": "mean", "parents": {"theta": "THETA"}}, None),
        ({"network": TINY, "omega": "0", "parents": {"theta": "GIVEN"}}, None),
        (MADE | {"importance": GRADIENT | {"power": "squared"}},
         "was estimated with power: squared, and importances.gradient has power: absolute"),
        (MADE | {"importance": GRADIENT | {"of": "output"}},
         "was estimated with of: output, and importances.gradient has of: loss"),
        (MADE | {"network": TINY | {"stages": 3}}, "is of a network with stages: 3, not 1"),
        (MADE | {"parents": {"theta": "0"}}, "was estimated at another θ than WEIGHTS"),
        ({"how": "mean", "parents": {"theta": "0"}}, "was estimated at another θ than WEIGHTS"),
        (MADE | {"count": 3}, "is a shard of an Ω, no Ω"),
        ({"network": TINY, "training": {}}, "is a θ, no Ω"),
        ({"module": "derain.method.memory"}, "is a state of a method, no Ω"),
    ],
)  # fmt: skip
def test_a_given_omega_whose_metadata_contradict_the_config_is_one_line(raw, tiny, tmp_path, made, fault):
    theta, omega = tmp_path / "theta.safetensors", tmp_path / "omega.safetensors"
    tensors.write(theta, weights.of_network(build(**TINY)), {"network": TINY, "initial_weights": "given"})
    digests = {"THETA": file_digest(theta), "GIVEN": "given"}
    if "parents" in made:
        made = made | {"parents": {name: digests.get(digest, digest) for name, digest in made["parents"].items()}}
    tensors.write(omega, _omega(tiny), made)
    raw["networks"]["net"] = {"initial_weights": str(theta), "learned": ["heavy"], "omega": {"gradient": str(omega)}}
    faults = [*given_faults(read_experiment(raw), SimpleNamespace(weights=file_digest))]
    line = fault and f"config: networks.net.omega.gradient: {str(omega)!r} {fault}"
    assert faults == ([line.replace("WEIGHTS", repr(str(theta)))] if line else [])


def test_an_omega_of_a_copied_theta_fits_the_file_that_was_copied(raw, published, tmp_path):
    (tmp_path / "stage").mkdir()
    theta, stage = tmp_path / "theta.safetensors", tmp_path / "stage/theta.safetensors"
    omega = stage.with_name("omega.safetensors")
    values = weights.of_network(build(**TINY))
    tensors.write(theta, values, {"network": TINY, "training": {}})
    raw["networks"]["net"] = {"initial_weights": str(theta), "learned": ["heavy"], "omega": {"gradient": str(omega)}}

    def count():
        return len([*given_faults(read_experiment(raw), SimpleNamespace(weights=file_digest))])

    for copied, faults in ((file_digest(theta), 0), ("0", 1)):
        tensors.write(stage, values, {"network": TINY, "initial_weights": copied})
        tensors.write(omega, values, MADE | {"parents": {"theta": file_digest(stage)}})
        assert count() == faults
    raw["networks"]["net"] |= {**TINY, "initial_weights": str(published)}  # nobody knows
    assert count() == 0


# --- tables ---------------------------------------------------------------------------------------------------------


def test_metrics_of_a_network_that_learned_two_datasets_before():
    """R by hand: rows are the stages 2 and 3; a and b are learned at stage 2, c at 3."""
    rows = {("first", "a>b"): (30.0, 28.0, 20.0), ("nr", "a>b>c"): (27.0, 29.0, 25.0)}
    scores = pd.DataFrame(
        [
            {"network": "net", "seed": 0, "method": method, "datasets": datasets, "dataset": name, "image": "1"}
            | dict.fromkeys(METRICS, value)
            for (method, datasets), values in rows.items()
            for name, value in zip("abc", values, strict=True)
        ]
    )
    rainy = pd.DataFrame(
        [{"dataset": name, "image": "1"} | dict.fromkeys(METRICS, 15.0 + n) for n, name in enumerate("abc")]
    )
    matrix = matrix_table(scores, rainy, ["nr"], [["a", "b", "c"]], {"net": 2})
    on_y = matrix[matrix["method"] == "nr"].pivot(index="stage", columns="dataset", values="psnr_y_db")
    assert on_y.to_dict("index") == {2: {"a": 30.0, "b": 28.0, "c": 20.0}, 3: {"a": 27.0, "b": 29.0, "c": 25.0}}
    alone = matrix[(matrix["method"] == "individual") & (matrix["learned"] == matrix["dataset"])]
    assert alone.set_index("dataset")["psnr_y_db"].to_dict() == {"a": 30.0, "b": 28.0}  # the given network itself
    table = continual_table(matrix, {"net": {"nr": {2: 5, 3: 10}}}, {"net": 2})
    (row,) = table.query("metric == 'psnr_y_db'").to_dict("records")
    assert row["average"] == 27.0
    assert row["bwt"] == ((27 - 30) + (29 - 28)) / 2
    assert row["forgetting"] == ((30 - 27) + (28 - 29)) / 2
    assert row["new_task_gain"] == 25 - 17
    assert row["fwt"] == 20 - 17
    assert np.isnan(row["intransigence_individual"])  # c has no reference
    assert row["old_data_bytes"] == 10


def _stored(plan, last):
    """Names of the datasets that the state of the stage before holds, by the artifacts from which it is made."""
    (artifact,) = (a for name, a in plan.artifacts.carried(predecessor(last), last.method).items() if name != "omega")
    names = [*artifact.datasets]
    while "past" in artifact.parents:
        artifact = artifact.parents["past"]
        names += artifact.datasets
    return names


@pytest.mark.parametrize(
    ("more", "counts"),
    [
        ({"learned": ["heavy"]}, {2: 1, 3: 2}),
        ({"learned": ["heavy"], "stand_in": "far"}, {2: 1, 3: 2}),
        ({"learned": ["heavy", "light"]}, {2: 0, 3: 2}),
        ({"learned": ["heavy", "light"], "stand_in": "far"}, {2: 0, 3: 1}),  # one dataset stands for two
        ({"learned": ["heavy", "light"], "stand_in": "light"}, {2: 0, 3: 1}),
        ({"initial_weights": None}, {2: 1, 3: 2}),
    ],
)
def test_old_data_are_the_bytes_of_the_datasets_that_the_states_hold(raw, more, counts):
    raw["datasets"]["far"] = _dataset(3)
    raw["evaluation"]["datasets"] = ["far"]
    raw["orders"] = [["heavy", "light", "late"], ["heavy", "light"]]
    raw["networks"]["net"] = {**TINY, "initial_weights": raw["networks"]["net"]["initial_weights"], **more}
    raw["intensities"] = {"rain": {"patches": 9}}
    raw["methods"] |= {
        "as_old": {"distillation": {"strength": 1, "intensity": "rain"}},
        "off": {"distillation": {"strength": 0, "intensity": "rain"}},
    }
    raw["methods"]["both"] = raw["methods"]["as_old"] | raw["methods"]["kept"]
    plan = _plan(raw)
    of_dataset = {"finetune": 0, "nr": 0, "off": 0, "kept": 2 * 6 * 16**2, "as_old": 9 * 4}
    of_dataset["both"] = of_dataset["kept"] + of_dataset["as_old"]
    assert plan.old_data_bytes == {
        "net": {method: {n: size * counts[n] for n in counts} for method, size in of_dataset.items()}
    }
    for method in ("kept", "as_old"):
        for order in plan.experiment.orders:
            last = stage("net", 0, method, order, plan.experiment.at_once("net"))
            if predecessor(last):
                names = _stored(plan, last)
                assert len(names) == len({*names}) == counts[len(order)]  # states hold them by name


# --- the workflow ---------------------------------------------------------------------------------------------------


def _counts(run):
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", run.stdout, re.MULTILINE)}


@pytest.mark.slow
def test_the_given_network_is_row_1_and_every_method_goes_on_from_it(raw, published, tmp_path):
    raw["networks"]["untouched"] = {**TINY, "initial_weights": str(published), "evaluate_only": True}
    run = snakemake(tmp_path / "work", raw)
    assert run.returncode == 0, run.stderr
    results = tmp_path / "work/results"
    matrix = pd.read_csv(results / "tables/matrix.csv")
    untouched = matrix[matrix["method"] == "given"].set_index("dataset")["psnr_y_db"]
    for method in raw["methods"]:
        row = matrix[(matrix["method"] == method) & (matrix["stage"] == 1)].set_index("dataset")["psnr_y_db"]
        assert row.to_dict() == untouched.to_dict()
    theta, metadata = tensors.read(results / "stages/net/seed0/first/heavy/theta.safetensors")
    assert metadata["initial_weights"] == file_digest(published)
    for name, values in torch.load(published, weights_only=True).items():
        np.testing.assert_array_equal(theta[name], values)
    page = (results / "report.html").read_text(encoding="utf-8")
    assert re.search(r"net: the weights published.pth \(sha256 \w{12}…\) are given; they have learned heavy", page)
    assert "training pairs of heavy (1)" in page
    again = snakemake(tmp_path / "work", raw, "--dry-run")
    assert "Nothing to be done" in again.stdout + again.stderr

    # Other bytes rerun what descends from them.
    torch.manual_seed(5)
    torch.save(build(**TINY).state_dict(), published)
    del raw["networks"]["untouched"]
    counts = _counts(snakemake(tmp_path / "work", raw, "--dry-run", "--quiet", "rules"))
    assert {rule: counts.get(rule, 0) for rule in ("given", "importance_shard", "next", "first", "pack")} == {
        "given": 1, "importance_shard": 1, "next": 3, "first": 0, "pack": 0
    }  # fmt: skip


@pytest.mark.slow
def test_a_given_omega_of_two_learned_datasets_is_accumulated_and_used(raw, published, tmp_path):
    network = build(**TINY)
    tensors.write(tmp_path / "omega.safetensors", _omega(network), {})
    raw["orders"] = [["heavy", "late", "light"]]
    raw["networks"]["net"] |= {"learned": ["heavy", "late"], "omega": {"gradient": str(tmp_path / "omega.safetensors")}}
    run = snakemake(tmp_path / "work", raw)
    assert run.returncode == 0, run.stderr
    stages = tmp_path / "work/results/stages/net/seed0"
    omega, _ = tensors.read(stages / "first/heavy+late/omega-gradient.safetensors")
    assert all((values == 1).all() and values.dtype == np.float64 for values in omega.values())
    memory, _ = tensors.read(stages / "first/heavy+late/memory-rain.safetensors")
    assert sorted(memory) == ["heavy", "late"]
    theory = pd.read_csv(stages / "nr/heavy+late/light/theory.csv")
    assert list(theory["dataset"]) == ["heavy", "late"]
    table = pd.read_csv(stages / "nr/heavy+late/light/training.csv")
    assert table["penalty"].iloc[-1] > 0
    assert not (stages / JOINT).exists()
