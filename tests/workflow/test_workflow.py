"""The workflow as its users run it: the command line, in a directory of its own, on an experiment of seconds."""

import locale
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from commandline import progress, snakemake
from derain.files import tensors
from tiny_experiment import (
    DATASET,
    EXPERIMENT,
    RAIN,
    RESULTS,
    THIRD,
    check_columns,
    described,
    file_of,
    jobs_measured,
    rows_of,
    with_changes,
)

pytestmark = pytest.mark.xdist_group("workflow")  # one worker makes what its tests share

# a store for training and one for test of each dataset
PAGE = {"report": 1, "figures": 1, "paper_tables": 1, "all": 1}
OF_TRAININGS = {"summarise": 1, "cost": 1, "gather": 2} | PAGE
JOBS = OF_TRAININGS | {
    "check_dataset": 2,
    "pack": 4,
    "score_rainy": 2,
    "first": 2,
    "importance_shard": 2,
    "importance": 2,
    "next": 2,
    "evaluate": 4,
    "gather": 2 + 3,
}
STAGES = ["first/mild", "first/heavy", "nr/mild/heavy", "nr/heavy/mild"]


def _jobs(dry_run):
    """Jobs by rule of a dry run's table."""
    assert dry_run.returncode == 0, dry_run.stderr
    text = dry_run.stdout + dry_run.stderr
    if "Nothing to be done" in text:
        return {}
    table = text.split("count\n", 1)[1]
    found = dict(re.findall(r"^(\w+) +(\d+)$", table.split("total")[0], re.MULTILINE))
    return {rule: int(count) for rule, count in found.items()}


def _thetas(dry_run):
    """The stages that a dry run would train, each once; candidates do not count."""
    thetas = re.findall(
        r"^ +output: results/stages/net/seed0/(\S+)/theta\.safetensors", dry_run.stdout + dry_run.stderr, re.MULTILINE
    )
    assert len(thetas) == len(set(thetas))
    return set(thetas)


def _planned(directory, config, *arguments):
    return _jobs(snakemake(directory, config, "-n", *arguments))


def _weight_bytes(directory):
    files = sorted(directory.glob("results/stages/**/*.safetensors"))
    return {str(file.relative_to(directory)): file.read_bytes() for file in files}


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A directory in which the tiny experiment has run."""
    directory = tmp_path_factory.mktemp("finished")
    run = snakemake(directory, EXPERIMENT)
    assert run.returncode == 0, run.stdout + run.stderr
    return directory


# --- a real run


@pytest.mark.slow
def test_a_run_says_where_the_page_is_and_a_run_that_makes_none_does_not(finished, tmp_path):
    directory = tmp_path / "run"
    shutil.copytree(finished, directory)
    for given, said in (
        (("--forcerun", "report"), True),
        (("--forcerun", "report", "--dry-run"), False),
        (("--forcerun", "evaluate", "--until", "evaluate"), False),
        (("check", "--forcerun", "check"), False),
    ):
        run = snakemake(directory, EXPERIMENT, *given)
        assert run.returncode == 0, run.stdout + run.stderr
        assert ("The page: results/report.html" in run.stderr.splitlines()) == said, given


def test_a_run_ends_with_the_page(finished):
    page = (finished / "results/report.html").read_text(encoding="utf-8")
    assert "mild → heavy" in page
    # of each dataset's only image: rainy, after each order, clean; stage by stage, in two orders; two to compare
    assert page.split("</main>")[0].count("<img") == 2 * (4 + 4 + 2)
    for name in ("matrix-net-1", "curves-net-2", "orders-net", "moves-net-1", "omega-layers-net-1"):
        assert (finished / f"results/figures/{name}.pdf").read_bytes().startswith(b"%PDF-")
        assert (finished / f"results/figures/{name}.svg").read_text(encoding="utf-8").startswith("<svg")
    assert "\\toprule" in (finished / "results/tables/verdict.tex").read_text(encoding="utf-8")
    assert not (finished / "results/partial.html").exists()


def test_every_stage_has_theta_a_training_table_and_scores_on_all_datasets(finished):
    for stage in STAGES:
        theta, decided_by = tensors.read(file_of(finished, stage))
        assert sum(array.size for array in theta.values()) > 1000
        assert decided_by["training"]["steps"] == 6
        assert [row["step"] for row in rows_of(file_of(finished, stage, "training.csv"))] == ["1", "2", "4", "6"]
        assert {row["dataset"] for row in rows_of(file_of(finished, stage, "scores/all.csv"))} == {"mild", "heavy"}


def test_nothing_that_jobs_kept_for_another_attempt_is_left(finished):
    leftover = ("*.checkpoint*", "*.partial", "*.shard*.safetensors")
    assert not [path for pattern in leftover for path in finished.glob(f"results/**/{pattern}")]


def test_penalty_and_distillation_are_logged_apart_and_act_in_the_second_stage_alone(finished):
    first = rows_of(file_of(finished, "first/mild", "training.csv"))
    later = rows_of(file_of(finished, "nr/mild/heavy", "training.csv"))
    assert "penalty" not in first[0]
    assert "distillation" not in first[0]
    assert float(later[0]["penalty"]) == 0  # at θⁿ
    assert float(later[-1]["penalty"]) > 0
    assert float(later[-1]["distillation"]) > 0


def test_omega_belongs_to_theta_and_is_nowhere_negative(finished):
    for dataset in ("mild", "heavy"):
        theta, _ = tensors.read(file_of(finished, f"first/{dataset}"))
        omega, spec = tensors.read(file_of(finished, f"first/{dataset}", "omega-gradient.safetensors"))
        assert {name: array.shape for name, array in omega.items()} == {n: a.shape for n, a in theta.items()}
        assert all((array >= 0).all() for array in omega.values())
        assert sum(array.sum() for array in omega.values()) > 0
        assert spec["importance"]["patches"] == 4


def test_the_matrix_and_the_continual_metrics_cover_every_order(finished):
    matrix = rows_of(finished / "results/tables/matrix.csv")
    cells = {(row["order"], row["stage"], row["dataset"]) for row in matrix if row["method"] == "nr"}
    assert cells == {(o, s, d) for o in ("mild>heavy", "heavy>mild") for s in "12" for d in ("mild", "heavy")}
    metrics = rows_of(finished / "results/tables/continual.csv")
    assert {row["order"] for row in metrics} == {"mild>heavy", "heavy>mild"}
    after = {row["dataset"]: float(row["psnr_y_db"]) for row in matrix if row["method"] == "nr"
             and row["order"] == "mild>heavy" and row["stage"] == "2"}  # fmt: skip
    (average,) = (float(row["average"]) for row in metrics
                  if row["order"] == "mild>heavy" and row["metric"] == "psnr_y_db")  # fmt: skip
    assert average == pytest.approx(sum(after.values()) / 2, abs=1.01e-6)  # six decimals, in both tables


def test_every_job_that_takes_time_is_in_the_table_of_costs(finished):
    costs = {row["rule"]: row for row in rows_of(finished / "results/tables/cost.csv")}
    measured = ("pack", "score_rainy", "first", "next", "importance_shard", "evaluate")
    assert {rule: int(row["jobs"]) for rule, row in costs.items()} == {rule: JOBS[rule] for rule in measured}
    assert jobs_measured(finished) == {rule: JOBS[rule] for rule in measured}
    for rule in ("first", "next"):  # which import torch
        assert float(costs[rule]["seconds"]) > 0
        assert 50 < float(costs[rule]["max_rss_mib"]) < 20_000


def test_the_columns_of_every_table_are_described(finished):
    for table, columns in described(finished / "results"):
        check_columns(table, columns)


def test_a_second_run_does_nothing(finished):
    assert _planned(finished, EXPERIMENT) == {}


def test_settings_that_change_no_result_rerun_nothing(finished):
    quiet = with_changes(("training.workers", 2), ("training.log_every", 3), ("training.validate_every", 2))
    quiet["training"]["checkpoint_every"] = 0.5
    assert _planned(finished, quiet) == {}


def test_another_strength_reruns_its_method_from_the_second_stage_on_and_no_training_before(finished):
    jobs = _planned(finished, with_changes(("methods.nr.penalty.strength", 2)))
    assert jobs == {"next": 2, "evaluate": 2} | OF_TRAININGS


def test_other_methods_add_their_own_stages_only_and_take_the_first_ones_and_their_omega_as_they_are(finished):
    tight = EXPERIMENT["methods"]["nr"] | {"penalty": {"importance": "gradient", "strength": 9, "form": "pigwm"}}
    jobs = _planned(finished, with_changes(("methods.finetune", {}), ("methods.tight", tight)))
    assert jobs == {"next": 4, "evaluate": 4} | OF_TRAININGS


def test_a_dataset_at_the_end_of_a_finished_sequence_trains_the_new_last_stage_and_its_reference_alone(finished):
    config = with_changes(
        ("datasets.late", DATASET | {"seed": 1}),
        ("orders", [["mild", "heavy", "late"], ["heavy", "mild"]]),
        ("evaluation.split", True),
    )
    run = snakemake(finished, config, "-n")
    jobs = _jobs(run)
    trained = {rule: jobs.get(rule, 0) for rule in ("pack", "score_rainy", "first", "next", "joint")}
    assert trained == {"pack": 2, "score_rainy": 1, "first": 1, "next": 1, "joint": 0}
    assert _thetas(run) == {"first/late", "nr/mild/heavy/late"}
    # Ω̄ of what was last until now; Ω of the first stages is there
    assert {rule: jobs[rule] for rule in ("importance", "accumulate")} == {"importance": 1, "accumulate": 1}


@pytest.mark.slow
def test_another_rain_reruns_what_contains_its_dataset(finished):
    jobs = _planned(finished, with_changes(("datasets.heavy.rain", RAIN | {"width": 3})))
    assert jobs["pack"] == 2
    assert jobs["first"] == 1
    assert jobs["next"] == 2


# --- plans


@pytest.mark.slow
def test_a_dry_run_of_an_empty_directory_counts_exactly_the_expected_jobs_and_writes_no_result(tmp_path):
    assert _planned(tmp_path / "new", EXPERIMENT) == JOBS
    assert not list((tmp_path / "new").glob("results/**/*.safetensors"))


def test_all_orders_of_three_datasets_by_four_methods_train_every_stage_once(tmp_path):
    """6 orders: 3 first stages that all share; for each method 6 second and 6 third ones; 3 + 1 joint ones."""
    config = with_changes(*THIRD.items(), ("seeds", [0]), ("evaluation.theory_patches", 2))
    run = snakemake(tmp_path / "new", config, "-n")
    assert _jobs(run) == OF_TRAININGS | {
        "pack": 6,
        "check_dataset": 3,
        "score_rainy": 3,
        "first": 3,
        "next": 3 * 12,
        "joint": 3 + 1,
        "candidate": 12 * 3,  # without any strength, × 3, × 0.5
        "choose": 12,
        "adopt": 12,
        # Ω of the first stages serves nr and searched; of the second ones, each its own, and the last have no child
        "importance_shard": 3 + 2 * 6,
        "importance": 3 + 2 * 6,
        "accumulate": 2 * 6,
        "state": 2 * (3 + 6),  # memories and intensities of first and second stages
        "evaluate": 3 + 4 * 12 + 4,
        "theory": 4 * 12,
        "gather": 2 + 3 + 1 + 2,  # of trainings, Ω, strengths and theory
    }
    assert len(_thetas(run)) == 3 + 4 * 12 + 4


def test_a_choice_of_strengths_sees_its_own_dataset_and_the_old_network_and_no_score(tmp_path):
    config = with_changes(*THIRD.items())
    stage = "results/stages/net/seed0/searched/mild/heavy/theta.safetensors"
    run = snakemake(tmp_path / "new", config, "-n", stage)
    assert _jobs(run) == {
        "pack": 2,
        "first": 1,
        "importance_shard": 1,
        "importance": 1,
        "candidate": 3,
        "choose": 1,
        "adopt": 1,
    }
    blocks = {rule: inputs.split(", ") for rule, inputs in
              re.findall(r"^rule (\w+):\n +input: (.+)$", run.stdout + run.stderr, re.MULTILINE)}  # fmt: skip
    old = "results/stages/net/seed0/first/mild"
    search = "results/search/net/seed0/searched/mild/heavy/scale-"
    common = {"results/datasets/heavy/training/pairs.csv", "results/datasets/heavy/training/pixels.bin"}
    common |= {f"{old}/theta.safetensors", f"{old}/omega-gradient.safetensors"}
    results = {f"{search}{scale}/{file}" for scale in ("0", "3", "0.5") for file in RESULTS}
    # Candidates hang on the past alone, so they may run side by side.
    assert set(blocks["candidate"]) == common
    assert set(blocks["choose"]) == common | results
    choice = str(Path(stage).with_name("strength.csv"))
    assert set(blocks["adopt"]) == results | {choice}


@pytest.mark.slow
def test_a_part_of_a_sequence_is_asked_for_by_its_path(tmp_path):
    target = "results/stages/net/seed0/nr/mild/heavy/theta.safetensors"
    jobs = _planned(tmp_path / "new", EXPERIMENT, target)
    assert jobs == {"pack": 2, "first": 1, "importance_shard": 1, "importance": 1, "next": 1}


# --- faults


BAD = {
    "methods.nr.penalty.strenght: unknown key; did you mean 'strength'?": [("methods.nr.penalty.strenght", 1)],
    "orders[0]: no dataset is called 'heavie'; did you mean 'heavy'?": [("orders", [["mild", "heavie"]])],
    "datasets.mild: rocket.jpg: is 640×427, smaller than training.patch = 500; lower the patch": [
        ("training.patch", 500),
        ("datasets.heavy.train", ["astronaut.png"]),  # 512 × 512
    ],
}


@pytest.mark.parametrize("told", BAD)
def test_bad_input_ends_in_one_clear_line_before_any_job(told, tmp_path):
    run = snakemake(tmp_path / "new", with_changes(*BAD[told]))
    assert run.returncode != 0
    lines = [line for line in (run.stdout + run.stderr).splitlines() if not line.startswith("Using workflow specific")]
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    here = locale.getpreferredencoding(False)
    assert told.encode(here, "backslashreplace").decode(here) in lines[0]
    assert not list((tmp_path / "new").glob("results/datasets/*/*/pixels.bin*"))
    assert not list((tmp_path / "new").glob("results/logs/**/*.log"))


def test_python_in_a_path_with_a_space_is_refused_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "an environment").symlink_to(sys.prefix)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "an environment/bin/python"))
    run = snakemake(tmp_path / "new", EXPERIMENT, "-n")
    assert run.returncode == 1
    assert f"error: {sys.executable}: no job can run with Python in a path with a space" in run.stderr


@pytest.mark.slow
def test_a_diverging_stage_stops_with_its_step_and_what_is_finished_survives(finished, tmp_path):
    directory = tmp_path / "diverging"
    shutil.copytree(finished, directory, ignore=shutil.ignore_patterns("cache", "log"))
    kept = _weight_bytes(directory)
    config = with_changes(("methods.wild", {"distillation": {"strength": 1e300}}))
    theta = "results/stages/net/seed0/wild/mild/heavy/theta.safetensors"
    run = snakemake(directory, config, "--rerun-triggers", "input", "--", theta)
    assert run.returncode != 0
    text = run.stdout + run.stderr
    (line,) = (line for line in text.splitlines() if line.startswith("error: "))
    assert re.search(r"not finite at step \d", line)
    assert "Traceback" not in text
    log = directory / "results/logs/stages/net/seed0/wild/mild/heavy/train.log"
    assert log.read_text(encoding="utf-8").splitlines()[-1] == line
    assert not (directory / theta).exists()
    assert _weight_bytes(directory) == kept
    lines = progress(directory, config, "--rerun-triggers", "input", "--", theta)
    place = "stages/net/seed0/wild/mild/heavy"
    assert "no run is at work here" in lines
    assert f"failed       next              {place}  see results/logs/{place}/train.log" in lines
    assert sum(line.startswith("done ") for line in lines) == 1  # what it would have begun from
    # What there is stands on a page, and what is missing, with its reason.
    page = (directory / "results/partial.html").read_text(encoding="utf-8")
    assert re.search(r"<li>wild, mild → heavy \(net, seed 0\): failed \(.*not finite at step \d", page)
    assert "<li>wild, heavy → mild (net, seed 0): not trained yet" in page
    assert re.search(r"nr has \d+\.\d\d dB on average", page)


@pytest.mark.slow
def test_the_engine_looks_for_jobs_when_one_has_ended_and_not_ever_more_often(tmp_path):
    # What a limit of starts adds to these looks depends on the time that jobs take: tests/engine tests its removal.
    run = snakemake(tmp_path, EXPERIMENT, "--verbose", "results/stages/net/seed0/nr/mild/heavy/theta.safetensors")
    assert run.returncode == 0
    jobs = 6
    assert 1 < len(re.findall("^Ready jobs", run.stdout + run.stderr, re.MULTILINE)) <= 2 * jobs


@pytest.mark.slow
def test_the_report_of_the_engine_has_every_item_under_a_category_with_its_caption(finished, tmp_path):
    directory = tmp_path / "reported"
    shutil.copytree(finished, directory)
    run = snakemake(directory, EXPERIMENT, "--report", "engine.zip")
    assert run.returncode == 0, run.stderr
    with zipfile.ZipFile(directory / "engine.zip") as archive:
        text = archive.read("engine/report.html").decode()
    for label in ("score matrix", "verdict", "matrix-net-1", "how far each layer moved"):
        assert label in text
    assert "<p>Relative move of each layer in each stage after the first" in text  # of a table of rule gather
    for category in ("Page", "Figures", "Tables"):
        assert f'"{category}"' in text


# --- whole experiments again


@pytest.mark.slow
def test_one_core_and_two_workers_give_the_same_bytes_of_theta_and_omega(finished, tmp_path):
    run = snakemake(tmp_path / "again", with_changes(("training.workers", 2)), cores=1)
    assert run.returncode == 0, run.stderr
    assert _weight_bytes(tmp_path / "again") == _weight_bytes(finished)


@pytest.mark.slow
def test_scoring_split_by_dataset_gives_the_same_scores(finished, tmp_path):
    directory = tmp_path / "split"
    shutil.copytree(finished, directory, ignore=shutil.ignore_patterns("cache", "log"))
    run = snakemake(directory, with_changes(("evaluation.split", True)), "results/tables/scores.csv")
    assert run.returncode == 0, run.stderr
    whole, split = (sorted(map(str, rows_of(d / "results/tables/scores.csv"))) for d in (finished, directory))
    assert split == whole
    assert len(list(directory.glob("results/stages/**/scores/mild.csv"))) == len(STAGES)
