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


def _page(**changes):
    """The plan of EXPERIMENT with other sections. changes: merged into the section of this name."""
    config = copy.deepcopy(EXPERIMENT)
    for name, section in changes.items():
        config[name] = {**config.get(name, {}), **section}
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


class Records(dict):
    """The params in the records of files; digests: of those that are tensors."""

    def __init__(self, *params):
        super().__init__(*params)
        self.digests = {}

    def made(self, file, *params):
        return file in self and all(each in self[file] for each in params)

    def digest(self, file):
        return self.digests.get(file)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run of EXPERIMENT: the records of its files."""
    monkeypatch.chdir(tmp_path)
    page = _page()
    records = Records({file: params for file, (params, _) in Current(page, None)._measured.items()})
    for file in records:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).touch()
    for number, artifact in enumerate(page.plan.made.values()):
        _make(artifact, number)
        records[artifact.file] = [artifact.recipe.plain()]
        if Path(artifact.file).is_file():
            records.digests[artifact.file] = file_digest(artifact.file)
    return records


def _current(page, records):
    """The θ and the scores that are current, and the number of all of them."""
    is_current = Current(page, records)
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
    assert _current(_page(training={"learning_rate": 0.5}), run)[0] == set()


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


STATES = {
    "another kind of importance": ({"importances": {"other": {"patches": 9}}}, ("penalty", "importance", "other")),
    "another kind of memory": ({"memories": {"other": {"keep": "pairs"}}}, ("memory", "name", "other")),
    "no intensity": ({}, ("distillation", "intensity", None)),
}


def _trained(files):
    """The θ of the stages that nr has trained."""
    return {file for file in files if "/nr/" in file and file.endswith("theta.safetensors")}


@pytest.mark.parametrize("case", STATES)
def test_a_theta_that_was_trained_with_another_state_is_not_current(case, run):
    """The kind of a state is in no recipe of θ, and the file of the other kind may not be made yet."""
    sections, (ingredient, key, value) = STATES[case]
    nr = copy.deepcopy(EXPERIMENT["methods"]["nr"])
    nr[ingredient][key] = value
    assert len(_trained(_current(_page(), run)[0])) == 2
    other = _page(**sections, methods={"nr": nr})
    found, _ = _current(other, run)
    assert not _trained(found)
    assert FIRST in found
    for number, artifact in enumerate(other.plan.made.values()):  # and the other way round
        if not Path(artifact.file).is_file() or "/nr/" in artifact.file or "/search/" in artifact.file:
            _make(artifact, number)
    assert len(_trained(_current(other, run)[0])) == 2
    assert not _trained(_current(_page(), run)[0])


def test_a_state_that_a_job_has_deleted_before_it_failed_is_not_that_of_the_plan(run):
    """Snakemake deletes an output and its record. Without the job, the record remains."""
    more = _page(importances={"gradient": {"patches": 6, "shards": 2}})
    omegas = [artifact.file for artifact in more.plan.made.values() if artifact.rule == "importance"]
    for file in omegas:
        Path(file).unlink()
    assert len(_trained(_current(_page(), run)[0])) == 2
    assert not _trained(_current(more, run)[0])
    for file in omegas:
        del run[file], run.digests[file]
    assert not _trained(_current(more, run)[0]) | _trained(_current(_page(), run)[0])
