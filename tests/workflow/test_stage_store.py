"""Two results folders with one stage store, as their users run them."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from commandline import arguments, environment, planned, snakemake
from derain.config.experiment import read_experiment
from derain.files.digest import file_digest
from derain.plan.plan import Plan
from derain.plan.stagestore import SHARDS
from test_reruns import EXPERIMENT, write_data
from tiny_experiment import THIRD, with_changes
from trees import write_pairs

SMALL = EXPERIMENT | {
    "methods": {"nr": EXPERIMENT["methods"]["nr"]},
    "joint": None,
    "evaluation": {"previews": 1, "theory_patches": 0},
}
THETAS = ["results/stages/net/seed0/nr/a/b/theta.safetensors", "results/stages/net/seed0/first/b/theta.safetensors"]
MADE = [*THETAS, "results/stages/net/seed0/first/a/theta.safetensors",
        "results/stages/net/seed0/first/a/omega-gradient.safetensors"]  # fmt: skip


def _below(folder):
    """The files below a folder, relative to it."""
    return [file.relative_to(folder) for file in folder.rglob("*") if file.is_file()]


def _bytes(folder):
    return [(folder / file).read_bytes() for file in MADE]


def start(folder, config, *targets):
    command = [sys.executable, "-m", "snakemake", *arguments(folder, config, cores=1), *targets]
    return subprocess.Popen(
        command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.fixture(scope="session")
def together(tmp_path_factory):
    """(folder of both runs, their config): two runs of one experiment in two folders, at once, with one store."""
    root = tmp_path_factory.mktemp("together")
    config = SMALL | {"stage_store": str(root / "store")}
    for name in ("one", "two"):
        write_data(root / name)
    runs = [start(root / name, config, *THETAS) for name in ("one", "two")]
    for run in runs:
        told, _ = run.communicate(timeout=1200)
        assert run.returncode == 0, told
    return root, config


@pytest.mark.slow
def test_two_runs_at_once_leave_one_sound_entry_for_each_stage(together):
    root, _ = together
    assert [(root / "one" / file).read_bytes() for file in MADE] == [
        (root / "two" / file).read_bytes() for file in MADE
    ]
    entries = list((root / "store").glob("*/*"))
    assert len(entries) == 4  # first/a and its Ω, first/b, nr/a/b
    for entry in entries:
        contents = json.loads((entry / "contents.json").read_text(encoding="utf-8"))
        assert {name: file_digest(entry / name) for name in contents["files"]} == contents["files"]
        assert {path.name for path in entry.iterdir()} == {*contents["files"], "contents.json"}


@pytest.mark.slow
def test_another_folder_takes_what_is_there_and_is_told_from_where(together, tmp_path):
    root, config = together
    write_data(tmp_path)
    jobs = planned(snakemake(tmp_path, config, "-n", *THETAS))
    assert {job.split()[0] for job in jobs} == {"pack", "take", "take_shard", "importance"}
    # As after a training here, of another config.
    shutil.copytree(root / "one/results/benchmarks", tmp_path / "results/benchmarks")
    run = snakemake(tmp_path, config, *THETAS)
    assert run.returncode == 0, run.stderr
    assert _bytes(tmp_path) == _bytes(root / "one")
    measured = {file.parts[0] for file in _below(tmp_path / "results/benchmarks")}
    assert measured == {file.parts[0] for file in _below(root / "one/results/benchmarks")} - {"first", "next", SHARDS}
    origin = json.loads((tmp_path / THETAS[0]).with_name("origin.json").read_text(encoding="utf-8"))
    assert origin["folder"].startswith(str(root))
    assert origin["taken_from"].startswith(config["stage_store"])
    log = tmp_path / "results/logs/stages/net/seed0/nr/a/b/take.log"
    assert origin["taken_from"] in log.read_text(encoding="utf-8")
    # Taken or trained is the same to later runs, with the store and without.
    assert planned(snakemake(tmp_path, config, "-n", *THETAS)) == []
    assert planned(snakemake(tmp_path, SMALL, "-n", *THETAS)) == []
    assert planned(snakemake(root / "one", SMALL, "-n", *THETAS)) == []


@pytest.mark.slow
def test_equal_paths_with_other_data_are_trained(together, tmp_path):
    _, config = together
    write_data(tmp_path)
    write_pairs(tmp_path / "data/b/train", [102], rain=3)
    jobs = planned(snakemake(tmp_path, config, "-n", *THETAS))
    trained = {job.rpartition("/")[0] for job in jobs if job.startswith(("first ", "next "))}
    taken = {job.rpartition("/")[0] for job in jobs if job.startswith("take ")}
    assert trained == {"first stages/net/seed0/first/b", "next stages/net/seed0/nr/a/b"}
    assert taken == {"take stages/net/seed0/first/a"}


@pytest.mark.slow
def test_after_entries_of_no_use_the_same_bytes_are_trained_and_stored(together, tmp_path):
    root, _ = together
    shutil.copytree(root / "store", tmp_path / "store")
    config = SMALL | {"stage_store": str(tmp_path / "store")}
    write_data(tmp_path)
    entries = {file_digest(theta): theta for theta in (tmp_path / "store").glob("*/*/theta.safetensors")}
    cut, changed = (entries[file_digest(root / "one" / theta)] for theta in THETAS)
    os.truncate(cut, cut.stat().st_size - 1)
    with changed.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    run = snakemake(tmp_path, config, "--keep-going", *THETAS)
    assert run.returncode == 1
    fault = "theta.safetensors has not the size in contents.json"
    assert f"{cut.parent}: is not taken, its stage is trained here ({fault}" in run.stderr
    assert f"error: {changed.parent}: is damaged and was renamed to {changed.parent.name}.damaged-" in run.stderr
    assert "Traceback" not in run.stderr
    assert snakemake(tmp_path, config, *THETAS).returncode == 0
    assert _bytes(tmp_path) == _bytes(root / "one")
    assert cut.read_bytes() == (root / "one" / THETAS[0]).read_bytes()
    assert changed.read_bytes() == (root / "one" / THETAS[1]).read_bytes()
    assert len(list((tmp_path / "store").glob("*/*.damaged-*"))) == 2


@pytest.mark.slow
def test_stages_that_were_finished_without_a_store_are_put_by_a_command(together, tmp_path):
    root, _ = together
    config = SMALL | {"stage_store": str(tmp_path / "store")}
    run = snakemake(root / "one", config, "put")
    assert run.returncode == 0, run.stderr
    assert "first" not in run.stderr.split("Job stats")[1].split("total")[0]
    assert len(list((tmp_path / "store").glob("*/*/theta.safetensors"))) == 3


@pytest.mark.slow
def test_what_is_taken_hangs_on_the_same_files_as_what_is_trained(tmp_path):
    """So that the one in the place of the other reruns nothing. Search, replay, shards and joint networks as well."""
    config = with_changes(*THIRD.items(), ("importances.gradient.shards", 2))
    plan = snakemake(tmp_path, config, "-n").stdout
    blocks = plan.split("\nrule ")[1:]
    made = {
        block.split("    output: ")[1].split("\n")[0].split(", ")[0]: block
        for block in blocks
        if "    output: " in block
    }
    expected = Plan(read_experiment(config))
    shards = [file for file in expected.shards if file in made]
    assert len(expected.trainings) == 3 + 3 * 12 + 4 + 12 * 3 and len(shards) == 2 * (3 + 2 * 6)
    for file in [*expected.trainings, *shards]:
        inputs = made[file].split("    input: ")[1].split("\n")[0].split(", ")
        named = expected.made[file].inputs.values()
        files = [each for files in named for each in ([files] if isinstance(files, str) else files)]
        assert sorted(files) == sorted(inputs)
