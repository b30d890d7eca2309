"""Which stages the plan takes from the stage store, and which of its entries it leaves alone."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from derain.config.experiment import read_experiment
from derain.files import tensors
from derain.files.digest import file_digest
from derain.files.stagestore import put
from derain.plan.artifacts import SHARDS, TRAININGS
from derain.plan.plan import Plan
from derain.plan.stagestore import StageStore
from perturbed import EXPERIMENT

MADE = {"folder": "/somewhere", "host": "here", "date": "2026-01-01 00:00:00"}
FIRST = "results/stages/net/seed0/first/a/theta.safetensors"
SECOND = "results/search/net/seed0/nr/a/b/scale-0/theta.safetensors"
SHARD = "results/stages/net/seed0/first/a/omega-gradient.shard0of2.safetensors"


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Plan(read_experiment(EXPERIMENT))


@pytest.fixture
def store(plan, tmp_path):
    """A function that makes the store as a run finds it at its start."""
    return lambda: StageStore(tmp_path / "store", plan.made, decided=False)


def _write(artifact, file, **parents):
    """A file of an artifact, as its job would make it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    tensors.write(file, {"w": np.zeros(3)}, artifact.recipe.plain() | {"parents": parents})


@pytest.fixture
def stored(plan, store, tmp_path):
    """A function that puts an artifact into the store; returns the entry. parents: digests of what it descends from."""

    def fill(file, **parents):
        artifact, made = plan.made[file], tmp_path / "elsewhere" / Path(file).name
        _write(artifact, made, **parents)
        files = {made.name: str(made)}
        if artifact.rule != SHARDS:
            made.with_name("training.csv").write_text("step\n1\n")
            files["training.csv"] = str(made.with_name("training.csv"))
        entry = Path(store().entry(artifact))
        put(entry, files, MADE, str(tmp_path / "log"))
        return entry

    return fill


def _taken(store):
    """Files that are to be taken."""
    patterns = store.held(*TRAININGS, SHARDS, end=".safetensors")
    return {f"results/{name}.safetensors" for name in patterns.split("|") if "(?" not in name}


def _escaped(*files):
    return {
        f"results/{re.escape(file.removeprefix('results/').removesuffix('.safetensors'))}.safetensors" for file in files
    }


def test_what_is_there_is_taken(store, stored, capsys):
    assert _taken(store()) == set()
    stored(FIRST)
    stored(SHARD, theta="of the θ that is taken")
    assert _taken(store()) == _escaped(FIRST, SHARD)
    assert capsys.readouterr().err == ""


def _pipe(entry):
    (entry / "theta.safetensors").unlink()
    os.mkfifo(entry / "theta.safetensors")


def _link(entry):
    (entry / "theta.safetensors").rename(entry / "other")
    (entry / "theta.safetensors").symlink_to(entry / "other")


def _loop(entry):
    (entry / "contents.json").unlink()
    (entry / "contents.json").symlink_to("contents.json")


def _file(entry):
    entry.rename(entry.with_name("other"))
    entry.write_text("")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda entry: (entry / "training.csv").write_text("step\n"), "training.csv has not the size in contents.json"),
        (lambda entry: (entry / "training.csv").unlink(), "training.csv: No such file"),
        (lambda entry: (entry / "contents.json").write_text("[]"), "contents.json is not as it was written"),
        (lambda entry: (entry / "contents.json").unlink(), "contents.json: No such file"),
        (_loop, "contents.json: Too many levels"),
        (_pipe, "theta.safetensors is no regular file"),
        (_link, "theta.safetensors: Too many levels"),
        (_file, "Not a directory"),
    ],
)
def test_an_entry_that_is_of_no_use_is_told_in_a_line_and_left(damage, told, store, stored, capsys):
    entry = stored(FIRST)
    damage(entry)
    assert _taken(store()) == set()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{entry}: is not taken, its stage is trained here (")
    assert told in line
    assert os.path.lexists(entry)


def test_an_entry_that_cannot_be_read_is_told_in_a_line(store, stored, monkeypatch, capsys):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied", "x")

    stored(FIRST)
    stored(SHARD)
    monkeypatch.setattr("derain.files.stagestore.open_regular", denied)
    assert _taken(store()) == set()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("(Permission denied); and 1 more")
    monkeypatch.setattr(Path, "lstat", denied)
    assert _taken(store()) == set()


def test_an_entry_of_another_stage_under_this_one_s_name_is_not_taken(plan, store, stored, capsys):
    other = stored(SECOND, theta="x")
    entry = Path(store().entry(plan.made[FIRST]))
    entry.parent.mkdir()
    other.rename(entry)
    assert _taken(store()) == set()
    assert "(it was made by another recipe)" in capsys.readouterr().err


def test_what_descends_from_another_theta_than_is_here_is_not_taken(plan, store, stored, tmp_path, capsys):
    """Which has the same recipe: of a machine of another kind. An older θ, which is made again, does not count."""
    stored(SHARD, theta="of another machine")
    assert _taken(store()) == _escaped(SHARD)
    theta = tmp_path / FIRST
    _write(plan.made[FIRST], theta)
    assert _taken(store()) == set()
    assert "(it descends from other files than those here)" in capsys.readouterr().err
    _write(plan.made[SECOND], theta)
    assert _taken(store()) == _escaped(SHARD)


def test_what_descends_from_the_theta_that_is_here_is_taken(plan, store, stored, tmp_path):
    _write(plan.made[FIRST], tmp_path / FIRST)
    stored(SHARD, theta=file_digest(tmp_path / FIRST))
    assert _taken(store()) == _escaped(SHARD)


def test_what_nobody_is_going_to_take_is_not_looked_at(plan, store, stored, tmp_path, capsys):
    """Its stage is there already, or the Ω of a shard."""
    for file, made in (
        (FIRST, plan.made[FIRST]),
        (SHARD, next(a for a in plan.made.values() if a.rule == "importance")),
    ):
        (stored(file) / "contents.json").write_text("")
        _write(made, tmp_path / made.file)
    assert _taken(store()) == _escaped(FIRST, SHARD)
    assert capsys.readouterr().err == ""


def test_what_a_job_could_not_take_is_not_tried_again(store, stored, tmp_path, capsys):
    entry = stored(FIRST)
    refusal = tmp_path / f"{FIRST}.not-taken"
    refusal.parent.mkdir(parents=True)
    refusal.write_text(file_digest(entry / "contents.json"))
    assert _taken(store()) == set()
    assert "(could not be taken by an earlier run)" in capsys.readouterr().err
    refusal.write_text("of an earlier entry")
    assert _taken(store()) == _escaped(FIRST)


def test_a_job_does_not_ask_the_store_again(plan, tmp_path):
    decided = StageStore(tmp_path / "store", plan.made, decided=True)
    assert _escaped(FIRST, SECOND, SHARD) <= _taken(decided)
    assert _taken(StageStore(None, plan.made, decided=True)) == set()


def test_an_adopted_theta_may_be_of_any_candidate(plan):
    adopted = next(artifact for artifact in plan.made.values() if artifact.rule == "adopt")
    made_by = {recipe for candidate in adopted.each_parent for recipe in candidate.recipes}
    assert set(plan.recipes([adopted.file, "no artifact"])[adopted.file]) == made_by
    assert len(made_by) == 2
