"""A scoring job as the workflow runs it, again and again: which images it scores."""

import os

import numpy as np
import pytest
from derain.data.store import PackedPairs
from derain.evaluation.cached import read_part, write_part
from derain.evaluation.scores import score_outputs
from derain.files import tensors
from derain.networks import build, weights
from entry import Files, run_script

pytestmark = pytest.mark.numerical

NETWORK = {"backbone": "prenet", "stages": 1, "channels": 4, "blocks": 1}
ROWS = [{"dataset": "a", "image": "x", "rounding": "none", "psnr_y_db": 1 / 3}]


def test_rows_and_previews_come_back_as_they_were_under_their_key_alone(tmp_path):
    file = tmp_path / "parts/a.safetensors"
    assert read_part(file, {"theta": "1"}) is None
    write_part(file, {"theta": "1"}, (ROWS, {"a/0": np.arange(12, dtype=np.uint8).reshape(2, 2, 3)}))
    rows, previews = read_part(file, {"theta": "1"})
    assert rows == ROWS
    assert previews["a/0"].tolist() == np.arange(12).reshape(2, 2, 3).tolist()
    assert read_part(file, {"theta": "2"}) is None
    content = file.read_bytes()
    for damaged in (b"", content[:-1], content[:-1] + b"\0", content.replace(b"0.3333", b"0.3334"), b"noise"):
        assert damaged != content
        file.write_bytes(damaged)
        assert read_part(file, {"theta": "1"}) is None
    file.unlink()
    os.mkfifo(file)
    assert read_part(file, {"theta": "1"}) is None
    write_part(file, {"theta": "1"}, (ROWS, {}))
    assert read_part(file, {"theta": "1"})[0] == ROWS


class Scoring:
    """evaluate.py on datasets of one image each."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.monkeypatch = folder, monkeypatch
        pair = np.full((12, 12, 3), 90, np.uint8), np.full((12, 12, 3), 60, np.uint8)
        monkeypatch.setattr(
            PackedPairs, "__init__", lambda pairs, stores, split: setattr(pairs, "rows", [Files(name="x", clean=True)])
        )
        monkeypatch.setattr(PackedPairs, "__getitem__", lambda pairs, n: pair)
        self.theta(0)

    def theta(self, shift):
        network = build(**NETWORK)
        theta = {name: array + np.float32(shift) for name, array in weights.of_network(network).items()}
        tensors.write(self.folder / "theta.safetensors", theta, {})

    def run(self, datasets, **changes):
        """Datasets that were scored anew, and the table."""
        scored = []
        patched = "derain.training.scoring.score_outputs"
        self.monkeypatch.setattr(patched, lambda name, *a: scored.append(name) or score_outputs(name, *a))
        spec = {"network": NETWORK, "threads": 1, "datasets": datasets, "rounding": ["none"]}
        spec |= {"ssim": "wang2009", "tile": 1024, "previews": 1, "code": {}}
        outputs = Files(scores=str(self.folder / "scores/all.csv"), previews=str(self.folder / "all.npz"))
        (self.folder / "scores").mkdir(exist_ok=True)
        stores = [""] * len(datasets)
        rainy = self.folder / "rainy.csv"
        rainy.write_text("dataset,image,psnr_y_db\na,x,20\n", encoding="utf-8")
        inputs = Files(theta=str(self.folder / "theta.safetensors"), tables=stores, pixels=stores)
        inputs["rainy"] = [str(rainy)] * len(datasets)
        config = {"device": "cpu", "local_scratch": None}
        run_script(
            "evaluate", input=inputs, output=outputs, params=Files(recipe=spec | changes), config=config, log=[None]
        )
        self.monkeypatch.setattr(patched, score_outputs)
        return scored, (self.folder / "scores/all.csv").read_text(encoding="utf-8")


@pytest.fixture
def scoring(tmp_path, monkeypatch):
    return Scoring(tmp_path, monkeypatch)


def test_another_dataset_is_scored_and_those_before_it_are_not(scoring):
    scored, alone = scoring.run({"b": "2"})
    assert scored == ["b"]
    scored, both = scoring.run({"a": "1", "b": "2"})
    assert scored == ["a"]
    assert alone.splitlines()[1] in both.splitlines()
    assert scoring.run({"a": "1"})[0] == []
    assert scoring.run({"a": "1", "b": "2"}) == ([], both)
    assert np.load(scoring.folder / "all.npz").keys() == {"a/0", "b/0"}


def test_what_decides_a_score_has_it_made_again(scoring):
    datasets = {"a": "1", "b": "2"}
    scoring.run(datasets)
    assert scoring.run(datasets | {"a": "other pairs"})[0] == ["a"]
    scoring.run(datasets)
    for change in (
        {"rounding": ["nearest"]},
        {"previews": 0},
        {"ssim": "full_size"},
        {"tile": 8},
        {"code": {"derain.evaluation.metrics": "1"}},
        {"threads": 2},
    ):
        assert scoring.run(datasets, **change)[0] == ["a", "b"]
    scoring.run(datasets)
    scoring.theta(0.5)
    assert scoring.run(datasets)[0] == ["a", "b"]
