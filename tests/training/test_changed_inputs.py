"""Files that changed between plan and job: the job says so in one line, and makes nothing of them."""

import hashlib
import shutil

import numpy as np
import pytest
from derain.config.training import Training
from derain.data.samples import Sample, read_manifest, write_manifest
from derain.data.store import pairs_digest
from derain.errors import UserError
from derain.files import tensors
from derain.files.digest import file_digest
from derain.networks import weights
from derain.training.job import Job
from entry import Files, Wildcards, run_script
from recipes import CONFIG, recipe_of
from trees import photograph, rainy, write

NETWORK = {"backbone": "prenet", "stages": 2, "channels": 4, "blocks": 1}
TRAINING = {"steps": 1, "batch": 1, "patch": 16, "warmup": 0}


@pytest.fixture
def theta(tiny, tmp_path):
    """Weights of the network, and others beside them."""
    path = tmp_path / "initial.safetensors"
    tensors.write(path, weights.of_network(tiny), {})
    others = {name: array + np.float32(1) for name, array in weights.of_network(tiny).items()}
    tensors.write(tmp_path / "others.safetensors", others, {})
    return path


def _first(folder, initial, digest):
    recipe = recipe_of(Training(**TRAINING), depth=1, network=NETWORK, initial_weights=digest).plain()
    files = Files(theta=str(folder / "theta.safetensors"), table=str(folder / "training.csv"))
    config = CONFIG | {"training": TRAINING}
    params = Files(recipe=recipe, weights=str(initial))
    where = {"input": Files(tables=[], pixels=[]), "output": files, "log": [str(folder / "log")]}
    run_script("first", **where, params=params, config=config)
    return folder / "theta.safetensors"


def _given(folder, initial, digest):
    recipe = {"code": {}, "network": NETWORK, "initial_weights": digest}
    output = folder / "theta.safetensors"
    params = Files(recipe=recipe, weights=str(initial))
    run_script("given", output=[output], log=[folder / "log"], params=params, config={})
    return output


@pytest.mark.parametrize("job", [_first, _given])
def test_initial_weights_that_changed_start_no_network(job, theta, tmp_path, pairs, monkeypatch, capsys):
    monkeypatch.setattr(Job, "pairs", lambda job, split: pairs)
    planned, (before, after) = file_digest(theta), (tmp_path / name for name in ("before", "after"))
    before.mkdir(), after.mkdir()
    assert job(before, theta, planned).is_file()
    shutil.copyfile(tmp_path / "others.safetensors", theta)
    with pytest.raises(SystemExit):
        job(after, theta, planned)
    assert capsys.readouterr().err == f"error: {theta}: changed since this run began; run again\n"
    assert not (after / "theta.safetensors").exists()


@pytest.fixture
def manifest(tmp_path):
    samples = []
    for number, split in enumerate(["train", "train", "validation", "test"]):
        for side, image in (("rain", rainy(number)), ("norain", photograph(number))):
            write(tmp_path / "data" / side / f"{number}.png", image)
        facts = {
            "height": 40,
            "width": 56,
            "rainy_sha256": _sha(rainy(number)),
            "clean_sha256": _sha(photograph(number)),
        }
        name = f"rain/{number}.png"
        samples.append(Sample(split, str(number), name, name, f"norain/{number}.png", **facts))
    path = tmp_path / "results/datasets/a/manifest.csv"
    write_manifest(path, samples)
    return path


def _sha(image):
    return hashlib.sha256(np.ascontiguousarray(image)).hexdigest()


def _pack(manifest, digest):
    folder = manifest.parent / "training"
    folder.mkdir(exist_ok=True)
    output = Files(table=str(folder / "pairs.csv"), pixels=str(folder / "pixels.bin"))
    root = manifest.parents[3] / "data"
    run_script(
        "pack",
        output=output,
        log=[folder / "log"],
        wildcards=Wildcards(dataset="a", use="training"),
        input=Files(),
        params=Files(pairs=digest, storage={"pack": True}),
        config={"datasets": {"a": {"layout": "folders", "root": str(root)}}},
        threads=1,
    )
    return output


def test_a_manifest_that_changed_is_not_packed(manifest, capsys):
    samples = read_manifest(manifest)[:3]
    planned = pairs_digest(samples)
    store = _pack(manifest, planned)
    recipe = recipe_of(Training(**TRAINING), datasets={"a": planned})
    job = Job(recipe, [store.table], [store.pixels], CONFIG | {"training": TRAINING}, None)
    assert len(job.pairs("train")) == 2
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace("validation", "train"), encoding="utf-8")
    with pytest.raises(SystemExit):
        _pack(manifest, planned)
    assert f"error: {manifest}: changed since this run began; run again" in capsys.readouterr().err


def test_a_job_takes_no_store_but_that_of_its_recipe(manifest):
    samples = read_manifest(manifest)[:3]
    store = _pack(manifest, pairs_digest(samples))
    recipe = recipe_of(Training(**TRAINING), datasets={"a": pairs_digest(samples[:2])})
    job = Job(recipe, [store.table], [store.pixels], CONFIG | {"training": TRAINING}, None)
    with pytest.raises(UserError, match="does not list the pairs that this run was planned for"):
        job.pairs("train")
