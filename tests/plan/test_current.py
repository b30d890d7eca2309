"""Which files a page counts: those of its own config, made from files that are there."""

import copy
import shutil
from pathlib import Path

import numpy as np
import pytest
from derain.config.experiment import read_experiment
from derain.files import tensors
from derain.files.digest import file_digest
from derain.plan.artifacts import Artifact
from derain.plan.current import Current
from derain.plan.page import PagePlan
from derain.plan.plan import Plan
from perturbed import EXPERIMENT

FIRST = "results/stages/net/seed0/first/a/theta.safetensors"


def _page(**training):
    config = copy.deepcopy(EXPERIMENT)
    config["training"] = {**config.get("training", {}), **training}
    return PagePlan(Plan(read_experiment(config)))


def _make(artifact, number):
    """A file as its job would make it; shards are deleted once their Ω is made."""
    file = Path(artifact.file)
    file.parent.mkdir(parents=True, exist_ok=True)
    if artifact.rule == "adopt":
        shutil.copy(next(artifact.each_parent).file, file)
    elif artifact.rule != "importance_shard":
        singles = {name: p for name, p in artifact.parents.items() if isinstance(p, Artifact)}
        if "shards" in artifact.parents:
            singles = artifact.parents["shards"][0].parents
        parents = {name: file_digest(parent.file) for name, parent in singles.items()}
        tensors.write(file, {"w": np.full(3, number)}, artifact.recipe.plain() | {"parents": parents})


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run of EXPERIMENT: the tables of its stages, and the params in their records."""
    monkeypatch.chdir(tmp_path)
    page = _page()
    for number, artifact in enumerate(page.plan.made.values()):
        _make(artifact, number)
    records = {file: params for file, (params, _) in Current(page, None)._measured.items()}
    for file in records:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).touch()
    return records


def _current(page, records):
    """The θ and the scores that are current, and the number of all of them."""
    is_current = Current(page, lambda file, *params: all(each in records.get(file, ()) for each in params))
    files = [*page.plan.thetas, *page.plan.of_all_stages("scores/{part}.csv"), *page.plan.made_by("importance")]
    return {file for file in files if is_current(file)}, len(files)


def test_after_a_run_everything_is_current_even_if_candidates_and_omegas_were_deleted(run):
    found, count = _current(_page(), run)
    assert len(found) == count
    shutil.rmtree("results/search")
    omegas = list(Path().glob("results/**/omega*.safetensors"))
    for omega in omegas:
        omega.unlink()
    assert _current(_page(), run)[0] == {file for file in found if Path(file) not in omegas}


def test_nothing_of_another_config_is_current(run):
    assert _current(_page(learning_rate=0.5), run)[0] == set()


def test_what_is_made_from_a_theta_that_was_replaced_is_not_current(run):
    everything, _ = _current(_page(), run)
    artifact = _page().plan.made[FIRST]
    _make(artifact, 99)
    found, _ = _current(_page(), run)
    assert FIRST in found
    assert {file for file in everything - found if file.endswith("theta.safetensors")} == {
        file for file in everything if "/a/b/" in file and file.endswith("theta.safetensors")
    }
    Path(FIRST).unlink()  # as while it is trained again
    assert _current(_page(), run)[0] == found - {FIRST} - {
        file for file in found if file.startswith("results/stages/net/seed0/first/a/")
    }


def test_a_table_counts_by_the_record_of_its_job(run):
    everything, _ = _current(_page(), run)
    scores = next(file for file in sorted(everything) if file.endswith(".csv"))
    run[scores] = [{"another": "recipe"}]
    assert _current(_page(), run)[0] == everything - {scores}
    del run[scores]
    assert _current(_page(), run)[0] == everything - {scores}
