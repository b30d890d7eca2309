"""Photographs of the config through a whole run: a given network restores them, and nothing twice."""

import json
import os
import re
import shutil

import pytest
import torch
from commandline import derain, planned, snakemake
from derain.networks import build
from derain.restoration.photographs import RECORD
from restorations import restore
from tiny import TINY
from trees import rainy, write, write_pairs

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("photographs")]  # one worker makes what its tests share

STAGE = "net/seed0/given"
OUT, LOG = f"results/photographs/{STAGE}/restored", f"results/logs/photographs/{STAGE}/restore.log"
PAGE = f"{OUT}/compare/index.html"
EXPERIMENT = {
    "device": "cpu",
    "datasets": {"a": {"layout": "rain-norain", "root": "data"}},
    "networks": {"net": {**TINY, "initial_weights": "net.pth", "evaluate_only": True}},
    "evaluation": {"datasets": ["a"], "previews": 1},
    "photographs": {"files": ["photos", "more/*.png"]},
}
RESTORE = {f"restore photographs/{STAGE}/restored/compare/index.html"}


def write_weights(directory, seed):
    torch.manual_seed(seed)
    torch.save(build(**TINY).state_dict(), directory / "net.pth")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A directory in which the experiment has run."""
    directory = tmp_path_factory.mktemp("finished")
    write_pairs(directory / "data/test", range(2))
    for number, name in enumerate(("photos/a.png", "photos/below/b.jpg", "photos/below.jpg/c.png", "more/d.png")):
        write(directory / name, rainy(number))
    write_weights(directory, 1)
    run = snakemake(directory, EXPERIMENT)
    assert run.returncode == 0, run.stdout + run.stderr
    return directory


@pytest.fixture
def tree(finished, tmp_path):
    """A copy with all its file times."""
    shutil.copytree(finished, tmp_path / "run", symlinks=True)
    return tmp_path / "run"


def _files(directory):
    """The restored files: bytes and time of each."""
    found = (directory / OUT).rglob("*.*g")
    files = [file for file in found if file.is_file() and "compare" not in file.parts]
    return {str(file.relative_to(directory / OUT)): (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


def _lines(directory):
    """The places of the record, with repetitions."""
    lines = (directory / OUT / RECORD).read_text(encoding="utf-8").split("\n")
    return [json.loads(line)[0] for line in lines if line]


def _with(**section):
    return EXPERIMENT | {"photographs": EXPERIMENT["photographs"] | section}


def test_photographs_are_restored_as_by_the_command_and_the_page_of_the_run_leads_to_them(finished, tmp_path):
    photographs = [finished / "photos", finished / "more/d.png"]
    stage = finished / f"results/stages/{STAGE}"
    assert restore(*photographs, "-o", tmp_path / "out", "-n", stage, "--compare", "--threads", 1) == 0
    expected = {str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.*")}
    found = {str(file.relative_to(finished / OUT)) for file in (finished / OUT).rglob("*.*")}
    assert found == expected
    for name in expected - {RECORD, "below.jpg"}:
        if (tmp_path / "out" / name).is_file():
            assert (finished / OUT / name).read_bytes() == (tmp_path / "out" / name).read_bytes(), name
    page = (finished / "results/report.html").read_text(encoding="utf-8")
    (link,) = re.findall(r'<a href="(photographs/[^"]+)">given \(net, seed 0\)</a>', page)
    assert (finished / "results" / link).is_file()


def _another_theta(tree):
    write_weights(tree, 2)


def _moved(tree):
    (tree / "photos").rename(tree / "moved")
    return _with(files=["moved", "more/d.png"])


@pytest.mark.parametrize(
    ("change", "jobs", "cause"),
    [
        (lambda tree: None, set(), ""),
        (lambda tree: [os.utime(path) for path in (tree / "photos").rglob("*.*")] and None, set(), ""),
        (_moved, set(), ""),
        (lambda tree: _with(memory="1G"), set(), ""),
        (lambda tree: (tree / "results/photographs.json").unlink(), set(), ""),
        (lambda tree: write(tree / "photos/new.png", rainy(7)) and None, RESTORE, "other photographs"),
        (lambda tree: write(tree / "photos/a.png", rainy(7)) and None, RESTORE, "other photographs"),
        (lambda tree: (tree / "photos/a.png").unlink(), RESTORE, "other photographs"),
        (lambda tree: (tree / PAGE).unlink(), RESTORE, "files are missing"),
        (lambda tree: {name: part for name, part in EXPERIMENT.items() if name != "photographs"},
         {"report report.html"}, ""),
    ],
    ids=["nothing", "touched", "moved", "memory", "no cache", "added", "changed", "deleted", "no page", "no section"],
)  # fmt: skip
def test_what_changes_the_photographs_reruns_the_job_and_nothing_else_does(change, jobs, cause, tree):
    config = change(tree) or EXPERIMENT
    before = {file: file.stat().st_mtime_ns for file in (tree / "results").rglob("*.*") if "datasets" not in file.parts}
    assert set(planned(snakemake(tree, config, "-n"))) == jobs
    if cause:
        assert f"because {cause}:" in derain("why", tree, config).stdout
    after = {file: file.stat().st_mtime_ns for file in before if file.name != "photographs.json"}
    assert after.items() <= before.items()


def test_only_what_is_new_is_restored_and_what_is_gone_is_removed(tree):
    before = _files(tree)
    write(tree / "photos/below/new.png", rainy(7))
    (tree / "photos/a.png").unlink()
    run = snakemake(tree, EXPERIMENT)
    assert run.returncode == 0, run.stdout + run.stderr
    after = _files(tree)
    assert after.keys() == before.keys() - {"a.png"} | {"below/new.png"}
    assert {name: after[name] for name in before if name != "a.png"} == {
        name: kept for name, kept in before.items() if name != "a.png"
    }
    assert sorted(_lines(tree)) == sorted([*before, "below/new.png"])
    assert not (tree / OUT / "compare/a.png.jpg").exists()
    page = (tree / PAGE).read_text(encoding="utf-8")
    assert ["below/new.png" in page, "a.png" in page] == [True, False]
    assert planned(snakemake(tree, EXPERIMENT, "-n")) == []


def test_another_theta_restores_all(tree):
    before = _files(tree)
    write_weights(tree, 2)
    run = snakemake(tree, EXPERIMENT, PAGE)
    assert run.returncode == 0, run.stdout + run.stderr
    after = _files(tree)
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
    assert len(_lines(tree)) == 2 * len(before)


def test_photographs_with_faults_are_one_line_each_and_all_others_are_done(tree):
    (tree / "photos/bad.png").write_bytes(b"x")
    (tree / "photos/empty.jpg").touch()
    write(tree / "photos/new.png", rainy(7))
    run = snakemake(tree, EXPERIMENT)
    assert run.returncode == 1
    told = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert [line.partition(": ")[2].partition(":")[0] for line in told] == ["photos/bad.png", "photos/empty.jpg"]
    assert (tree / LOG).read_text(encoding="utf-8").splitlines() == told
    assert "Traceback" not in (tree / LOG).read_text(encoding="utf-8")
    assert "new.png" in _files(tree)
    partial = (tree / "results/partial.html").read_text(encoding="utf-8")
    assert "<li>given (net, seed 0): failed (photos/empty.jpg: " in partial
    done = _files(tree)
    for name in ("bad.png", "empty.jpg"):
        (tree / "photos" / name).unlink()
    run = snakemake(tree, EXPERIMENT)
    assert run.returncode == 0, run.stdout + run.stderr
    assert _files(tree) == done


@pytest.mark.parametrize("options", [(), ("-n",)])
def test_a_name_without_photographs_is_one_line_before_any_job(options, tmp_path):
    directory = tmp_path / "new"
    write_pairs(directory / "data/test", range(2))
    write_weights(directory, 1)
    (directory / "photos").mkdir()
    run = snakemake(directory, _with(files=["none.jpg", "photos", "more/*.png"]), *options)
    assert run.returncode == 1
    assert [line for line in run.stderr.splitlines() if "photographs" in line] == [
        "error: config: photographs.files[0]: none.jpg: no file has such a name",
        "error: config: photographs.files[1]: photos: has no file with the suffix of an image",
        "error: config: photographs.files[2]: more/*.png: no file has such a name",
    ]
    assert not list(directory.glob("results/**/*.safetensors"))


def test_a_dry_run_restores_nothing(tree):
    shutil.rmtree(tree / "results/photographs")
    assert set(planned(snakemake(tree, EXPERIMENT, "-n"))) == RESTORE
    assert not (tree / "results/photographs").exists()


def test_a_folder_of_photographs_that_holds_the_results_has_no_photographs_in_them(tree):
    config = _with(files=["."])
    run = snakemake(tree, config, PAGE)
    assert run.returncode == 0, run.stdout + run.stderr
    assert {name for name in _files(tree) if name.startswith("results")} == set()
    assert "data/test/rain/0.png" in _files(tree)  # also a dataset's
    assert planned(snakemake(tree, config, "-n", PAGE)) == []
