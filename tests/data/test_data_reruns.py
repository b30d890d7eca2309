"""What a change of the data reruns: what it decides, and nothing else."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from derain.data.inspection import Inspection, inspect
from derain.data.samples import read_manifest
from derain.data.store import pairs_digest
from derain.errors import UserError
from derain.plan.sources import sources_of
from PIL import Image
from trees import experiment, photograph, rainy, write, write_pairs

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def datasets(root):
    """Two datasets, of which the tests make a study; sections by name."""
    for number, name in enumerate("ab"):
        write_pairs(root / name / "train", range(100 * number, 100 * number + 4), clean_name="norain/{}.bmp")
        write_pairs(root / name / "test", range(100 * number + 50, 100 * number + 52))
    return {name: {"layout": "rain-norain", "root": str(root / name)} for name in "ab"}


def rewrite(path, pixels):
    """New pixels of the same size under the same modification time."""
    before = path.stat()
    write(path, pixels)
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def add_scored(root, datasets, name, numbers):
    write_pairs(root / name / "test", numbers, rain=9)
    return datasets | {name: {"layout": "rain-norain", "root": str(root / name)}}


@pytest.fixture
def digests(datasets, tmp_path):
    def look(changed=None, **extra):
        sources = sources_of(experiment(changed or datasets, ("a", "b"), **extra), tmp_path / "results")
        sources.check(keep=lambda write: write())
        return {name: sources[name] for name in "ab"}

    return look


def test_digests_follow_pairs_and_not_times(datasets, root, digests, tmp_path):
    before = digests()
    for path in root.rglob("*.*"):
        os.utime(path)
    assert digests() == before
    shutil.move(root / "a", root / "moved")
    assert digests(datasets | {"a": datasets["a"] | {"root": str(root / "moved")}}) == before
    shutil.move(root / "moved", root / "a")
    rewrite(root / "a/train/norain/1.bmp", photograph(77))
    changed = digests()
    assert changed["a"] != before["a"] and changed["b"] == before["b"]
    write_pairs(root / "b" / "train", [170])
    assert digests()["b"] != before["b"] and digests()["a"] == changed["a"]


def test_digests_follow_a_scored_dataset_only_where_pairs_are_dropped(datasets, root, digests):
    before = digests()
    assert digests(add_scored(root, datasets, "e", [300, 301])) == before
    leaking = add_scored(root, datasets, "l", [102, 301])
    assert digests(leaking, on_leakage="warn") == before
    dropped = digests(leaking, on_leakage="drop")
    assert dropped["a"] == before["a"] and dropped["b"] != before["b"]


def test_files_are_decoded_once(datasets, digests, monkeypatch):
    decoded = []
    monkeypatch.setattr("derain.data.inspected.inspect", lambda *a: decoded.append(a) or inspect(*a))
    before = digests()
    assert len(decoded) == 24
    assert digests() == before and len(decoded) == 24


def test_a_fault_is_looked_at_again(datasets, root, digests, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("derain.data.inspected.inspect", lambda *_: Inspection("cannot be read (Input/output error)"))
        with pytest.raises(UserError, match="Input/output error"):
            digests()
    assert digests().keys() == {"a", "b"}


def test_jobs_look_at_no_file(datasets, root, tmp_path):
    asked, folder = experiment(datasets, ("a", "b")), tmp_path / "results"
    sources = sources_of(asked, folder)
    sources.check(keep=lambda write: write())
    shutil.rmtree(root)
    shutil.rmtree(folder)
    of_a_job = sources_of(asked, folder, json.loads(json.dumps(sources.digests)))
    for use in ("training", "test"):
        assert of_a_job.pairs("a", use) == sources.pairs("a", use) != sources.pairs("b", use)
    assert of_a_job["a"] == sources["a"] and of_a_job.findings("a") == sources.findings("a")


def test_a_plan_without_files_is_that_of_a_run(datasets, tmp_path):
    asked, planned, run = experiment(datasets, ("a", "b")), tmp_path / "planned", tmp_path / "run"
    plans = [sources_of(asked, folder) for folder in (planned, run)]
    plans[0].check(keep=lambda write: None)
    plans[1].check(keep=lambda write: write())
    assert plans[0].digests == plans[1].digests
    assert not planned.exists()
    samples = read_manifest(run / "a/manifest.csv")
    assert plans[0].pairs("a", "test") == pairs_digest(sample for sample in samples if sample.split == "test")


class Workflow:
    """Runs of the real workflow in a directory."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, datasets, *arguments, **extra):
        asked = experiment(datasets, ("a", "b"), **extra).model_dump(mode="json")
        (self.folder / "config.yaml").write_text(yaml.safe_dump(asked))
        command = [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile"]
        command += ["--configfile", "config.yaml", "--cores", "2", *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def planned(self, datasets, targets, **extra):
        """Outputs that a run would make, as "rule: first output"."""
        told = self.run(datasets, "--dry-run", *targets, **extra)
        return sorted(re.findall(r"^ +output: (?:results/)([^,\n]+)", told, re.MULTILINE))


THETA = {name: f"stages/small/seed0/{name}/theta.safetensors" for name in ("first/a", "first/b", "finetune/a/b")}


@pytest.mark.slow
def test_the_workflow_reruns_what_a_change_decides(datasets, root, tmp_path):
    flow = Workflow(tmp_path)
    targets = [f"results/{path}" for path in THETA.values()]
    flow.run(datasets, *targets)
    of_a = ["datasets/a/training/pairs.csv", THETA["finetune/a/b"], THETA["first/a"]]
    of_b = ["datasets/b/training/pairs.csv", THETA["finetune/a/b"], THETA["first/b"]]
    assert flow.planned(datasets, targets) == []
    for path in root.rglob("*.*"):
        os.utime(path)
    assert flow.planned(datasets, targets) == []
    assert flow.planned(add_scored(root, datasets, "e", [300, 301]), targets) == []
    leaking = add_scored(root, datasets, "l", [102, 301])
    assert flow.planned(leaking, targets, on_leakage="warn") == []
    assert flow.planned(leaking, targets, on_leakage="drop") == of_b
    original = photograph(1)
    rewrite(root / "a/train/norain/1.bmp", photograph(77))
    assert flow.planned(datasets, targets) == of_a
    rewrite(root / "a/train/norain/1.bmp", original)
    assert flow.planned(datasets, targets) == []
    write_pairs(root / "b" / "train", [170])
    assert flow.planned(datasets, targets) == of_b


@pytest.mark.slow
def test_theta_is_the_same_whether_packed_or_not(datasets, tmp_path):
    target = f"results/{THETA['first/a']}"
    flow, thetas = Workflow(tmp_path), []
    for packed in (True, False):
        sections = {name: section | {"pack": packed} for name, section in datasets.items()}
        flow.run(sections, target)
        thetas.append((tmp_path / target).read_bytes())
    assert thetas[0] == thetas[1]
    assert (tmp_path / "results/datasets/a/training/pixels.bin").stat().st_size == 0


@pytest.mark.slow
def test_new_pixels_of_a_source_make_the_pairs_with_its_layers_again(datasets, root, tmp_path):
    for number in range(4):
        write(root / f"photographs/{number}.png", photograph(500 + number))
    own = {"layout": "rendered", "root": str(root / "photographs"), "test_share": 0.25}
    layered = datasets | {"b": own | {"rain": {"layers_of": "a"}, "renders": 8}}
    flow = Workflow(tmp_path)
    targets = [f"results/datasets/b/{file}" for file in ("training/pairs.csv", "test/pairs.csv", "contact.jpg")]
    flow.run(layered, *targets)
    assert flow.planned(layered, targets) == []
    with Image.open(tmp_path / targets[-1]) as sheet:
        assert sheet.format == "JPEG"
    for number in (50, 51):
        write(root / f"a/test/norain/{number}.png", photograph(77 + number))
    assert flow.planned(layered, targets) == [
        "datasets/a/test/pairs.csv", "datasets/b/check.csv", "datasets/b/test/pairs.csv"
    ]  # fmt: skip
    flow.run(layered, *targets)
    assert flow.planned(layered, targets) == []
    assert flow.planned(layered | {"b": own | {"rain": {"layers_of": "a"}, "renders": 9}}, targets) == [
        "datasets/b/check.csv", "datasets/b/training/pairs.csv"
    ]  # fmt: skip
    (tmp_path / targets[-1]).unlink()
    assert flow.planned(layered, targets) == ["datasets/b/check.csv"]


@pytest.mark.slow
def test_a_fault_stops_before_any_job_and_names_the_file(datasets, root, tmp_path):
    (root / "a/train/rain/2.png").write_bytes(rainy(2).tobytes())
    asked = experiment(datasets, ("a", "b")).model_dump(mode="json")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(asked))
    command = [sys.executable, "-m", "snakemake", "-s", REPOSITORY / "Snakefile", "--configfile", "config.yaml"]
    done = subprocess.run(
        [*command, "--cores", "1", "check"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "error: datasets.a: train/rain/2.png: is no image" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results/datasets/b/training/pairs.csv").exists()


@pytest.mark.slow
def test_check_prints_a_line_on_each_dataset_every_time(datasets, root, tmp_path):
    """A copy of a test image in training is a leak, which is left out."""
    Image.open(next((root / "a/test/norain").iterdir())).save(root / "a/train/norain/1.bmp")
    asked = experiment(datasets, ("a", "b"), on_leakage="drop").model_dump(mode="json")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(asked))
    command = [sys.executable, "-m", "snakemake", "-s", REPOSITORY / "Snakefile", "--cores", "2", "check"]
    for _ in range(2):
        done = subprocess.run(
            [*command, "--configfile", "config.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        lines = re.findall(r"^([ab]): (.*); (leaks \d+), near copies \d+( \(.*\))?,.*; (\S+)$", done.stderr, re.M)
        assert [(name, *rest) for name, _, *rest in lines] == [
            ("a", "leaks 1", " (1 pair left out of training)", "results/datasets/a/check.csv"),
            ("b", "leaks 0", "", "results/datasets/b/check.csv"),
        ]
        assert re.search(r"test \d+ pairs? of \d+ scenes?, .* rainy input \d+\.\d\d dB PSNR", lines[0][1])
