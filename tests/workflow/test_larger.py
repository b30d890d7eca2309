"""The results of an experiment with all kinds of jobs: what they are, by hand or by another way to them."""

import shutil

import numpy as np
import pytest
import yaml
from commandline import snakemake
from derain.files import tensors
from derain.reference.columns import DESCRIBED
from precision import of_roundings
from tiny_experiment import (
    DATASET,
    EXPERIMENT,
    RESULTS,
    check_columns,
    described,
    file_of,
    jobs_measured,
    rows_of,
    with_changes,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    """Three datasets, one never trained on; shards, accumulation, joint, search, replay, blend, theory, chord."""
    changes = {
        "datasets": {
            "1400": DATASET,
            "heavy": EXPERIMENT["datasets"]["heavy"],
            "NA": DATASET | {"seed": 5},
            "far": DATASET,
        },
        "orders": [["1400", "heavy", "NA"]],
        "importances": {"gradient": {"patches": 5, "shards": 3}},
        "methods": {
            "finetune": {},
            "off": {"penalty": {"importance": "gradient", "strength": 0}},
            "mean": {"penalty": {"importance": "gradient", "strength": 1}},
            "searched": {"penalty": {"importance": "gradient", "strength": 1}, "search": {"scales": [50, 1]}},
            "replay": {"memory": {"name": "pairs", "share": 0.5}},
            "mixed": {"blend": {"alpha": 0.5}},
        },
        "memories": {"pairs": {"keep": "pairs", "patches": 4}},
        "joint": {"steps_per_dataset": 4, "prefixes": True},
        "evaluation": {"datasets": ["far"], "previews": 1, "theory_patches": 2}
        | {"chord": [0.5], "chord_importance": "gradient"},
    }
    directory = tmp_path_factory.mktemp("larger")
    run = snakemake(directory, with_changes(*changes.items()))
    assert run.returncode == 0, run.stdout + run.stderr
    return directory


def test_every_table_and_column_that_is_described_exists(larger):
    found = {}
    for table, columns in described(larger / "results"):
        check_columns(table, columns)
        found.setdefault(table.file, set()).update(columns)
    missing = {table.file: sorted({*table.columns} - found.pop(table.file)) for table in DESCRIBED}
    # distillation: of `finished`; datasets: of orders with different datasets, in tests/reference
    others = {"distillation", "datasets"}
    assert not {file: names for file, names in missing.items() if {*names} - others}


def test_omega_of_a_path_is_the_accumulation_of_those_of_its_stages(larger):
    past, _ = tensors.read(file_of(larger, "first/1400", "omega-gradient.safetensors"))
    new, _ = tensors.read(file_of(larger, "mean/1400/heavy", "omega-gradient.safetensors"))
    accumulated, _ = tensors.read(file_of(larger, "mean/1400/heavy", "omega.safetensors"))
    for name in past:
        np.testing.assert_allclose(accumulated[name], (past[name] + new[name]) / 2, rtol=of_roundings(4))


def test_no_rule_that_is_measured_is_missing_in_the_table_of_costs(larger):
    costs = {row["rule"]: int(row["jobs"]) for row in rows_of(larger / "results/tables/cost.csv")}
    assert costs == jobs_measured(larger)
    assert {rule: costs[rule] for rule in ("candidate", "joint", "theory", "chord_weighted", "importance_shard")} == {
        "candidate": 2 * 3 + 2,
        "joint": 2,
        "theory": 6 * 2,
        "chord_weighted": 2,
        # of the first stage, of the second ones of mean and searched, of both later ones of finetune for the chord
        "importance_shard": 3 * 5,
    }


def test_a_blended_stage_lies_between_its_training_and_the_stage_before(larger):
    before = "first/1400"
    for stage in ("mixed/1400/heavy", "mixed/1400/heavy/NA"):
        trained = larger / "results/search/net/seed0" / stage / "scale-1/theta.safetensors"
        ends = [tensors.read(file)[0] for file in (file_of(larger, before), trained)]
        for name, found in tensors.read(file_of(larger, stage))[0].items():
            mean = (ends[0][name].astype(float) + ends[1][name]) / 2
            assert np.array_equal(found, mean.astype(np.float32))
            assert not np.array_equal(found, ends[0][name])
        before = stage


def test_shards_leave_nothing_but_their_merged_omega(larger):
    assert not list(larger.glob("results/stages/**/*shard*.safetensors"))


def test_a_strength_of_zero_is_fine_tuning_byte_for_byte(larger):
    for past in ("1400/heavy", "1400/heavy/NA"):
        thetas = [tensors.read(file_of(larger, f"{method}/{past}"))[0] for method in ("finetune", "off", "mean")]
        assert all(np.array_equal(thetas[0][name], thetas[1][name]) for name in thetas[0])
        assert not all(np.array_equal(thetas[0][name], thetas[2][name]) for name in thetas[0])


def test_names_of_digits_and_datasets_never_trained_on_reach_the_tables_and_the_page(larger):
    matrix = rows_of(larger / "results/tables/matrix.csv")
    assert {row["dataset"] for row in matrix if row["method"] == "mean"} == {"1400", "heavy", "NA", "far"}
    page = (larger / "results/report.html").read_text(encoding="utf-8")
    assert "1400 → heavy → NA" in page
    assert all(f"<th>{name}</th>" in page for name in ("1400", "heavy", "NA", "far"))
    individual = {row["learned"] for row in matrix if row["method"] == "individual"}
    assert individual == {"1400", "heavy", "NA"}


def test_tables_figures_and_page_in_one_folder_are_of_one_experiment(larger, tmp_path):
    """A second, smaller config in the same folder: without a name, and with one."""
    directory = tmp_path / "twice"
    shutil.copytree(larger, directory)
    results = directory / "results"
    second = yaml.safe_load((larger / "experiment.yaml").read_text(encoding="utf-8"))
    second["methods"] = {"finetune": {}}
    second["evaluation"]["theory_patches"] = 0

    def derived(folder):
        files = (*folder.glob("tables/*"), *folder.glob("figures/*"), folder / "report.html")
        return {str(file.relative_to(folder)): file.read_bytes() for file in files}

    first = derived(results)
    run = snakemake(directory, second | {"name": "second"})
    assert run.returncode == 0, run.stderr
    assert derived(results) == first
    named = derived(results / "second")
    assert "tables/verdict.csv" in named
    assert named.keys() < first.keys()
    assert not (results / "second/stages").exists()

    run = snakemake(directory, second, "results/report.html")
    assert run.returncode == 0, run.stderr
    announced, removed = run.stderr.partition("results: removed")[::2]
    assert removed
    assert "notice: results: this run removes " in announced
    unnamed = derived(results)
    assert unnamed.keys() == named.keys()
    for name in named:
        assert unnamed[name] == named[name] or name.endswith((".pdf", ".html")), name
    assert "searched" not in unnamed["report.html"].decode()
    again = snakemake(directory, second, "-n")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_deleted_shardwise_omega_comes_back_the_same(larger, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(larger, again, ignore=shutil.ignore_patterns("cache", "log"))
    omega = file_of(again, "first/1400", "omega-gradient.safetensors")
    before = omega.read_bytes()
    omega.unlink()
    config = yaml.safe_load((again / "experiment.yaml").read_text(encoding="utf-8"))
    assert snakemake(again, config, str(omega.relative_to(again))).returncode == 0
    assert omega.read_bytes() == before


def test_candidates_are_the_method_at_their_scale_and_the_chosen_one_is_adopted(larger):
    for past in ("1400/heavy", "1400/heavy/NA"):
        (chosen,) = (
            row for row in rows_of(file_of(larger, f"searched/{past}", "strength.csv")) if row["chosen"] == "True"
        )
        branch = larger / "results/search/net/seed0/searched" / past
        scale = branch / f"scale-{float(chosen['scale']):g}"
        for file in RESULTS:
            assert file_of(larger, f"searched/{past}", file).read_bytes() == (scale / file).read_bytes()
    first = larger / "results/search/net/seed0/searched/1400/heavy"
    same = {"scale-0": "finetune/1400/heavy", "scale-1": "mean/1400/heavy"}
    for candidate, stage in same.items():
        found, expected = (tensors.read(file)[0] for file in (first / candidate / RESULTS[0], file_of(larger, stage)))
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
    table = rows_of(larger / "results/tables/strengths.csv")
    assert {row["datasets"] for row in table} == {"1400>heavy", "1400>heavy>NA"}
    assert len(table) == 2 * 3


def test_a_memory_is_carried_along_the_path_and_counted(larger):
    first, _ = tensors.read(file_of(larger, "first/1400", "memory-pairs.safetensors"))
    second, _ = tensors.read(file_of(larger, "replay/1400/heavy", "memory.safetensors"))
    assert {name: stored.shape for name, stored in first.items()} == {"1400": (4, 2, 3, 16, 16)}
    assert {name: stored.shape for name, stored in second.items()} == dict.fromkeys(
        ["1400", "heavy"], (4, 2, 3, 16, 16)
    )
    np.testing.assert_array_equal(second["1400"], first["1400"])
    assert not np.array_equal(second["1400"], second["heavy"])
    counted = {row["method"]: row["old_data_bytes"] for row in rows_of(larger / "results/tables/continual.csv")}
    assert counted.pop("replay") == str(sum(stored.nbytes for stored in second.values()))
    assert counted.pop("joint") == ""  # which keeps whole datasets
    assert set(counted.values()) == {"0"}


def test_the_theory_is_held_against_every_earlier_dataset_of_every_stage(larger):
    table = rows_of(larger / "results/tables/theory.csv")
    methods = {"finetune", "off", "mean", "searched", "replay", "mixed"}
    for method in methods:
        places = [(row["datasets"], row["dataset"]) for row in table if row["method"] == method]
        assert places == [("1400>heavy", "1400"), ("1400>heavy>NA", "1400"), ("1400>heavy>NA", "heavy")]
    for row in table:
        assert 0 < abs(float(row["first_order"])) <= float(row["bound"])
        now_and_then = float(row["loss_now"]) - float(row["loss_then"])
        assert float(row["change"]) == pytest.approx(now_and_then, abs=1.6e-9)  # three of nine digits, below 1
    correlations = rows_of(larger / "results/tables/theory-correlations.csv")
    assert {row["method"] for row in correlations} == {"all", *methods}


def test_joint_networks_of_every_prefix_make_intransigence_whole(larger):
    # Networks of so few steps gain nothing, and a share of no gain is empty.
    scores = [row for row in rows_of(larger / "results/tables/continual.csv") if not row["metric"].startswith("gain")]
    joint = [row for row in scores if row["method"] == "joint"]
    assert joint
    assert all(row["forgetting"] and float(row["intransigence_joint"]) == 0 for row in joint)
    nr = [row for row in scores if row["method"] == "mean"]
    assert all(row["intransigence_individual"] and row["intransigence_joint"] for row in nr)
    summary = rows_of(larger / "results/tables/summary.csv")
    assert {row["method"] for row in summary} == {"finetune", "off", "mean", "searched", "replay", "mixed", "joint"}
    assert {row["worst_order"] for row in summary} == {"1400>heavy>NA"}
