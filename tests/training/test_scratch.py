"""A training that reads its pixels from a copy on its node."""

import hashlib

import pytest
from derain.config.training import Training
from derain.data.packing import pack
from derain.data.samples import Sample
from derain.data.store import pairs_digest
from entry import Files, run_script
from recipes import CONFIG, recipe_of
from trees import photograph, rainy, write

TRAINING = {"steps": 3, "batch": 2, "patch": 16, "warmup": 0}


@pytest.fixture
def store(tmp_path):
    """Two pairs to train on, one to validate."""
    samples = []
    for n, split in enumerate(("train", "train", "validation")):
        files, images = (f"rainy/{n}.png", f"clean/{n}.png"), (rainy(n), photograph(n))
        for file, image in zip(files, images, strict=True):
            write(tmp_path / file, image)
        facts = dict(zip(("rainy_sha256", "clean_sha256"), map(_sha, images), strict=True))
        samples.append(Sample(split, str(n), str(n), *files, height=40, width=56, **facts))
    pixels, table = tmp_path / "pixels.bin", tmp_path / "pairs.csv"
    pack(samples, tmp_path, pixels, table, 1)
    return table, pixels, pairs_digest(samples)


def _sha(image):
    return hashlib.sha256(image.tobytes()).hexdigest()


def _trained(store, folder, scratch):
    """θ of a first stage, and the log."""
    folder.mkdir()
    table, pixels, digest = store
    network = {"backbone": "prenet", "stages": 1, "channels": 4, "blocks": 1}
    recipe = recipe_of(Training(**TRAINING), depth=1, network=network, datasets={"a": digest}).plain()
    run_script(
        "first",
        input=Files(tables=[str(table)], pixels=[str(pixels)]),
        output=Files(theta=str(folder / "theta.safetensors"), table=str(folder / "training.csv")),
        log=[str(folder / "log")],
        params=Files(recipe=recipe, weights=None),
        config=CONFIG | {"training": TRAINING, "local_scratch": scratch},
    )
    return (folder / "theta.safetensors").read_bytes(), (folder / "log").read_text(encoding="utf-8")


def test_theta_is_the_same_from_the_copy_and_the_training_reads_the_copy(store, tmp_path, capsys):
    shared, told = _trained(store, tmp_path / "shared", None)
    assert "copied" not in told
    copied, told = _trained(store, tmp_path / "copied", str(tmp_path / "node"))
    assert copied == shared and f"copied {store[1]} to {tmp_path / 'node'}/" in told
    fallen_back, told = _trained(store, tmp_path / "fallen-back", "$NO_SUCH_VARIABLE/scratch")
    assert fallen_back == shared and "local_scratch: $NO_SUCH_VARIABLE/scratch on " in told
    store[1].write_bytes(bytes(store[1].stat().st_size))  # from now on only the copy has the pixels
    again, _ = _trained(store, tmp_path / "again", str(tmp_path / "node"))
    assert again == shared
    with pytest.raises(SystemExit):
        _trained(store, tmp_path / "damaged", None)
    assert "are not those that were packed" in capsys.readouterr().err
