"""Networks from elsewhere: trained further from given weights, or only evaluated."""

import re
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from commandline import snakemake
from derain.config.experiment import read_experiment
from derain.curriculum import GIVEN, JOINT, predecessor
from derain.evaluation.continual import continual_table, matrix_table, summary_table
from derain.evaluation.metrics import METRICS
from derain.files import tensors
from derain.networks import build, weights
from derain.plan import fit
from derain.plan.plan import Plan
from faults import faults_of
from PIL import Image
from precision import of_roundings
from tiny import TINY


@pytest.fixture
def folder(tmp_path):
    """Two test pairs of two datasets."""
    rng = np.random.default_rng(0)
    for dataset in ("heavy", "light"):
        for side in ("rain", "norain"):
            (tmp_path / dataset / side).mkdir(parents=True)
            for scene in "12":
                pixels = rng.integers(0, 256, (24, 32, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / dataset / side / f"{scene}.png")
    return tmp_path


@pytest.fixture
def only_given(folder, published):
    """An experiment that trains nothing."""
    patterns = {"rainy": "rain/{scene}.png", "clean": "norain/{scene}.png"}
    return {
        "datasets": {
            name: {"layout": "folders", "root": str(folder / name), "test": patterns} for name in ("heavy", "light")
        },
        "networks": {
            "everywhere": {**TINY, "initial_weights": str(published), "evaluate_only": True},
            "at-home": {**TINY, "initial_weights": str(published), "evaluate_only": True, "scored_on": ["light"]},
        },
        "evaluation": {"datasets": ["heavy", "light"], "rounding": ["truncate", "nearest"]},
    }


@pytest.fixture
def mixed(only_given):
    """The same networks beside one that is trained."""
    rain = {"angle": [-9, 9], "length": [7, 9], "width": 1.2, "density": 0.01, "brightness": [0.2, 0.4]}
    train = {name: {"layout": "rendered", "rain": rain} for name in ("a", "b")}
    return only_given | {
        "orders": [["a", "b"]],
        "seeds": [3, 4],
        "methods": {"finetune": {}},
        "joint": {"steps_per_dataset": 1},
        "datasets": only_given["datasets"] | train,
        "networks": only_given["networks"] | {"trained": TINY},
    }


_faults = partial(faults_of, read_experiment)


# --- config ---------------------------------------------------------------------------------------------------------


def test_nothing_but_given_networks_needs_neither_orders_nor_methods(only_given):
    experiment = read_experiment(only_given)
    assert experiment.trained_networks == []
    assert experiment.scored_on("everywhere") == ["heavy", "light"]
    assert experiment.scored_on("at-home") == ["light"]


@pytest.mark.parametrize("key", ["orders", "methods"])
def test_a_trained_network_needs_orders_and_methods(mixed, key):
    del mixed[key]
    assert f"config: {key}: is missing" in _faults(mixed)


def test_every_fault_of_a_given_network_is_one_line(only_given):
    for network, change in {
        "a": {"evaluate_only": True},
        "b": {"evaluate_only": True, "initial_weights": "nowhere/b.pth"},
        "c": {"scored_on": ["heavy"], "initial_weights": only_given["networks"]["at-home"]["initial_weights"]},
    }.items():
        only_given["networks"][network] = {**TINY, **change}
    only_given["networks"]["at-home"]["scored_on"] = ["lihgt"]
    del only_given["networks"]["c"]["initial_weights"]
    lines = _faults(only_given)
    for expected in (
        "networks.a.initial_weights: is required with evaluate_only",
        "networks.b.initial_weights: there is no file 'nowhere/b.pth'",
        "networks.c.scored_on: needs evaluate_only",
        "networks.at-home.scored_on: no scored dataset is called 'lihgt'; did you mean 'light'?",
    ):
        assert sum(expected in line for line in lines) == 1, expected


def test_an_experiment_that_scores_nothing_is_refused(only_given):
    del only_given["evaluation"], only_given["networks"]["at-home"]
    assert any("evaluation.datasets: is empty" in line for line in _faults(only_given))


def test_an_unknown_or_repeated_rounding_is_refused(only_given):
    only_given["evaluation"]["rounding"] = ["floor"]
    assert any("evaluation.rounding" in line and "floor" in line for line in _faults(only_given))
    only_given["evaluation"]["rounding"] = ["nearest", "nearest"]
    assert any("evaluation.rounding: 'nearest' stands twice" in line for line in _faults(only_given))


@pytest.mark.parametrize("section", ["datasets", "methods"])
def test_given_names_a_place_in_the_tree_and_nothing_else(mixed, section):
    mixed[section] = mixed[section] | {GIVEN: next(iter(mixed[section].values()))}
    assert any("'given' is reserved" in line for line in _faults(mixed))


# --- plan -----------------------------------------------------------------------------------------------------------


def test_a_given_network_is_one_stage_whatever_the_seeds(mixed):
    given = [stage for stage in Plan(read_experiment(mixed)).stages if stage.method == GIVEN]
    assert [stage.path for stage in given] == ["at-home/seed0/given", "everywhere/seed0/given"]
    assert all(predecessor(stage) is None for stage in given)


def test_given_networks_change_no_trained_stage(mixed):
    with_given = Plan(read_experiment(mixed))
    del mixed["networks"]["everywhere"], mixed["networks"]["at-home"]
    alone = Plan(read_experiment(mixed))
    assert [stage for stage in with_given.stages if stage.method != GIVEN] == alone.stages
    place = SimpleNamespace(stage="trained/seed0/first/a")
    assert with_given.theta.recipe(place) == alone.theta.recipe(place)


@pytest.mark.parametrize("split", [False, True])
def test_scoring_jobs_are_those_of_the_datasets_that_a_network_is_scored_on(only_given, split):
    only_given["evaluation"]["split"] = split
    plan = Plan(read_experiment(only_given))
    jobs = plan.of_all_stages("{part}")
    assert [place["network"] for place in plan.stage_table] == [job.split("/")[2] for job in jobs]
    home, everywhere = (["light"], ["heavy", "light"]) if split else (["all"], ["all"])
    assert jobs == [f"results/stages/at-home/seed0/given/{part}" for part in home] + [
        f"results/stages/everywhere/seed0/given/{part}" for part in everywhere
    ]
    assert plan.measurements.scored("at-home", home[0]) == ["light"]


def test_the_order_of_roundings_scores_nothing_again(only_given):
    place = SimpleNamespace(stage="everywhere/seed0/given", part="all")
    spec = Plan(read_experiment(only_given)).scores.recipe(place)
    only_given["evaluation"]["rounding"].reverse()
    assert Plan(read_experiment(only_given)).scores.recipe(place) == spec


def test_another_protocol_of_ssim_scores_anew_and_trains_nothing(mixed):
    before = Plan(read_experiment(mixed))
    mixed["evaluation"]["ssim"] = "full_size"
    after = Plan(read_experiment(mixed))
    assert {file: made.key for file, made in before.made.items()} == {
        file: made.key for file, made in after.made.items()
    }
    at = SimpleNamespace(stage=before.stages[0].path, part="all")
    recipes = [plan.scores.recipe(at) for plan in (before, after)]
    assert [recipe.pop("ssim") for recipe in recipes] == ["wang2009", "full_size"]
    assert recipes[0] == recipes[1]


def test_other_bytes_of_the_initial_weights_retrain_and_another_path_does_not(mixed, published, tmp_path):
    mixed["networks"]["trained"] = {**TINY, "initial_weights": str(published)}
    paths = ("trained/seed0/first/a", "trained/seed0/joint/a+b", "everywhere/seed0/given")

    def specs():
        plan = Plan(read_experiment(mixed))
        return [plan.theta.recipe(SimpleNamespace(stage=path)) for path in paths]

    before = specs()
    moved = tmp_path / "moved.pth"
    moved.write_bytes(published.read_bytes())
    mixed["networks"]["trained"]["initial_weights"] = str(moved)
    assert specs() == before
    theta = torch.load(moved, weights_only=True)
    torch.save({name: value + 1 for name, value in theta.items()}, moved)
    assert [old != new for old, new in zip(before, specs(), strict=True)] == [True, True, False]


def test_a_network_that_starts_from_the_seed_has_no_digest(mixed):
    assert "initial_weights" not in Plan(read_experiment(mixed)).theta.recipe(
        SimpleNamespace(stage="trained/seed0/first/a")
    )


# --- tables ---------------------------------------------------------------------------------------------------------


def _scores(rows):
    place = ["network", "seed", "method", "datasets", "dataset", "image"]
    table = pd.DataFrame([row[:-1] for row in rows], columns=place)
    return table.assign(**{metric: [row[-1] for row in rows] for metric in METRICS})


RAINY = pd.DataFrame({"dataset": ["a", "b"], "image": "1.png", **{metric: [10.0, 20.0] for metric in METRICS}})


def test_a_given_network_has_one_row_a_dataset_in_the_matrix_and_none_in_the_continual_table():
    scores = _scores([("net", 0, GIVEN, "-", "a", "1.png", 30.0), ("net", 0, GIVEN, "-", "a", "2.png", 34.0)])
    matrix = matrix_table(scores, RAINY, [], [])
    (row,) = matrix.to_dict("records")
    assert (row["method"], row["order"], row["stage"], row["learned"]) == (GIVEN, "-", 0, "-")
    assert (row["dataset"], row["images"], row["psnr_y_db"], row["rainy_psnr_y_db"]) == ("a", 2, 32.0, 10.0)
    continual = continual_table(matrix)
    assert continual.empty
    assert summary_table(continual).empty


def test_given_networks_leave_the_rows_of_trained_ones_as_they_are():
    trained = _scores(
        [
            ("own", 0, method, datasets, dataset, "1.png", 25.0 + n)
            for n, (method, datasets) in enumerate(
                [("first", "a"), ("first", "b"), ("finetune", "a>b"), (JOINT, "a>b")]
            )
            for dataset in ("a", "b")
        ]
    )
    given = _scores([("net", 0, GIVEN, "-", "b", "1.png", 30.0)])
    alone = matrix_table(trained, RAINY, ["finetune"], [["a", "b"]])
    both = matrix_table(pd.concat([given, trained]), RAINY, ["finetune"], [["a", "b"]])
    pd.testing.assert_frame_equal(both[both["network"] == "own"].reset_index(drop=True), alone)
    pd.testing.assert_frame_equal(continual_table(both), continual_table(alone))


# --- the workflow ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_dry_run_trains_nothing_for_given_networks(only_given, tmp_path):
    run = snakemake(tmp_path / "work", only_given, "--dry-run", "--quiet", "rules")
    assert run.returncode == 0, run.stderr
    counts = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", run.stdout, re.MULTILINE)}
    assert {rule: counts[rule] for rule in ("given", "evaluate", "report")} == {"given": 2, "evaluate": 2, "report": 1}
    assert not counts.keys() & {"first", "next", "joint", "importance"}


@pytest.mark.slow
def test_given_networks_are_scored_with_each_rounding(only_given, tmp_path):
    run = snakemake(tmp_path / "work", only_given)
    assert run.returncode == 0, run.stderr
    results = tmp_path / "work" / "results"
    scores = pd.read_csv(results / "tables" / "scores.csv")
    assert len(scores) == (2 + 1) * 2 * 2  # (datasets of the networks) × images × roundings
    matrix = pd.read_csv(results / "tables" / "matrix.csv").set_index(["rounding", "network", "dataset"])
    assert set(matrix["method"]) == {GIVEN}
    for rounding in ("truncate", "nearest"):
        home, everywhere = (matrix.loc[(rounding, name, "light"), "psnr_y_db"] for name in ("at-home", "everywhere"))
        assert home == everywhere
    assert matrix.loc[("truncate", "at-home", "light"), "psnr_y_db"] != home
    assert "Given networks: only scored" in (results / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["first/a", "joint/a+b"])
def test_training_starts_from_the_given_weights(mixed, published, tmp_path, stage):
    mixed["networks"]["trained"] = {**TINY, "initial_weights": str(published)}
    mixed["training"] = {"steps": 1, "learning_rate": 1e-9, "batch": 1, "patch": 16, "warmup": 0}
    path = f"results/stages/trained/seed3/{stage}/theta.safetensors"
    run = snakemake(tmp_path / "work", mixed, path)
    assert run.returncode == 0, run.stderr
    theta, _ = tensors.read(tmp_path / "work" / path)
    # A step a dataset, each no longer than the rate, and rounded.
    for name, start in torch.load(published, weights_only=True).items():
        np.testing.assert_allclose(theta[name], start, rtol=of_roundings(2), atol=2.01e-9)


def test_weights_that_do_not_fit_are_one_line_before_any_job(only_given, tmp_path):
    del only_given["networks"]["everywhere"]
    only_given["networks"]["at-home"]["channels"] = 3
    run = snakemake(tmp_path / "work", only_given, "--dry-run")
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert run.returncode == 1
    assert line.startswith("error: config: networks.at-home.initial_weights: ")
    assert "published.pth: does not fit the network (" in line
    assert line.endswith(
        '; it fits backbone: "prenet", channels: 2, lstm: true, shared_block: true; or backbone: "prenet", '
        "channels: 2, lstm: true, blocks: 1, shared_block: false (the shapes do not say which)"
        "; the weights do not show stages, default 6"
    )


FITTING = {
    "prenet": {"channels": 4, "blocks": 2, "lstm": False},
    "nafnet": {"width": 4, "encoder": (1, 2), "middle": 2, "decoder": (1, 1)},
    "restormer": {"width": 8, "blocks": (1, 2, 1, 1), "refinement": 2, "heads": (1, 2, 2, 4)},
}


@pytest.mark.parametrize("backbone", FITTING)
@pytest.mark.parametrize("configured", FITTING)
def test_the_options_that_weights_fit_are_found(backbone, configured, tmp_path):
    torch.save(build(backbone, **FITTING[backbone]).state_dict(), tmp_path / "w.pth")
    assert fit.faults({"backbone": backbone, **FITTING[backbone]}, str(tmp_path / "w.pth")) == []
    (told,) = fit.faults({"backbone": configured}, str(tmp_path / "w.pth"))
    assert told.startswith(f".initial_weights: {tmp_path}/w.pth: does not fit the network (")
    told, unshown, _ = told.partition("; the weights do not show stages, default 6")
    assert bool(unshown) == (backbone == "prenet")
    section = yaml.safe_load("{" + told.partition("; it fits ")[2] + "}")
    assert section.pop("backbone") == backbone
    build(backbone, **section).load_state_dict(torch.load(tmp_path / "w.pth", weights_only=True))


@pytest.mark.parametrize("options", [{"shared_block": True}, {"blocks": 1}])
def test_weights_with_one_block_fit_two_networks_and_the_published_kind_is_named_first(options, tmp_path):
    torch.save(build("prenet", channels=4, **options).state_dict(), tmp_path / "w.pth")
    (told,) = fit.faults({"backbone": "prenet"}, str(tmp_path / "w.pth"))
    told = told.partition(" (the shapes do not say which)")[0]
    networks = told.partition("; it fits ")[2].split("; or ")
    shared, apart = (yaml.safe_load("{" + each + "}") for each in networks)
    assert shared == {"backbone": "prenet", "channels": 4, "lstm": True, "shared_block": True}
    assert apart == {"backbone": "prenet", "channels": 4, "lstm": True, "shared_block": False, "blocks": 1}


def test_weights_of_no_known_network_fit_nothing(tmp_path):
    torch.save({"conv.weight": torch.zeros(3, 3, 3, 3)}, tmp_path / "w.pth")
    (told,) = fit.faults(TINY, str(tmp_path / "w.pth"))
    assert told.endswith(")")
    torch.save([1], tmp_path / "w.pth")
    (told,) = fit.faults(TINY, str(tmp_path / "w.pth"))
    assert "is no state dict" in told


def test_given_weights_are_loaded_from_pth_and_safetensors_alike(published, tmp_path):
    network = build(**TINY)
    weights.load_into(network, published)
    tensors.write(tmp_path / "same.safetensors", weights.of_network(network), {})
    again = build(**TINY)
    weights.load_into(again, tmp_path / "same.safetensors")
    for name, theta in torch.load(published, weights_only=True).items():
        assert torch.equal(again.state_dict()[name], theta)
