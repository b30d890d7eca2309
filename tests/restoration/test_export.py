"""Exported networks: ONNX against PyTorch, safetensors, and the model card."""

import json
import re
import sys
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from derain.curriculum import Stage
from derain.errors import UserError
from derain.files import tensors
from derain.files.digest import file_digest
from derain.networks import build, weights
from derain.restoration import exporting
from derain.restoration.card import stage_of
from derain.restoration.loading import load
from huggingface_hub import ModelCard
from PIL import Image
from restoring import status
from torch import nn

TINY = {"backbone": "prenet", "stages": 2, "channels": 4, "blocks": 1, "lstm": True, "shared_block": False}
NETWORKS = [
    TINY,
    TINY | {"lstm": False, "shared_block": True},
    pytest.param({"backbone": "nafnet", "width": 4}, marks=pytest.mark.slow),
    pytest.param({"backbone": "restormer", "width": 4, "heads": [1, 1, 1, 1]}, marks=pytest.mark.slow),
]
SIZES = [(1, 64, 48), (3, 35, 22), (1, 9, 9), (1, 1, 77), (2, 129, 130)]
SCORES = "dataset,image,rounding,psnr_y_db,ssim_y,psnr_rgb_db,ssim_rgb\n"


def _network(section):
    torch.manual_seed(2)
    network = build(**section).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn_like(parameter)  # NAFNet's β and γ start at 0
    return network


def _stage(run, learned, section=TINY, **told):
    """θ of a stage of method nr in a results tree."""
    network = _network(section)
    stage = Stage("net", 3, "nr" if len(learned) > 1 else "first", learned)
    theta = run / stage.file("theta.safetensors")
    (theta.parent / "scores").mkdir(parents=True)
    tensors.write(theta, weights.of_network(network), {"network": section, **told})
    return network, theta


_export = partial(status, "export")


@pytest.mark.parametrize("section", NETWORKS, ids=lambda section: section["backbone"])
def test_onnx_and_safetensors_give_the_outputs_of_the_network_on_sizes_of_all_kinds(section, tmp_path):
    network, theta = _stage(tmp_path, ("a", "b"), section)
    assert _export("-n", theta.parent, "-o", tmp_path / "out") == 0
    assert (tmp_path / "out/model.safetensors").read_bytes() == theta.read_bytes()
    loaded = load(tmp_path / "out/model.safetensors")
    session = onnxruntime.InferenceSession(tmp_path / "out/model.onnx")
    for batch, height, width in SIZES:
        rainy = torch.rand(batch, 3, height, width)
        with torch.inference_mode():
            expected = network(rainy)
            assert torch.equal(loaded(rainy), expected)
        (restored,) = session.run(None, {"rainy": rainy.numpy()})
        assert restored.shape == (batch, 3, height, width)
        assert np.abs(restored - expected.numpy()).max() <= 1e-4
        assert np.abs(restored - rainy.numpy()).max() > 1e-3  # the network does something


class BySize(nn.Module):
    """What an export that follows one path through the code gets wrong."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, rainy):
        return self.conv(rainy) if rainy.shape[2] > 40 else rainy


def test_a_network_that_onnx_does_not_follow_is_refused_and_nothing_appears(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "_write_safetensors", lambda network, file, told: file.write_bytes(b"written"))
    with pytest.raises(UserError, match=r"model.onnx: on \(1, 3, 33, 57\) the output .* differs|cannot be exported"):
        exporting.export(BySize().eval(), tmp_path, {})
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_other_outputs_is_refused_and_nothing_appears(tmp_path, monkeypatch):
    network, _ = _stage(tmp_path, ("a",))
    arrays = weights.of_network
    monkeypatch.setattr(weights, "of_network", lambda of: {name: -array for name, array in arrays(of).items()})
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"model.safetensors: loaded again"):
        exporting.export(network, tmp_path / "out", {"network": TINY})
    assert list((tmp_path / "out").iterdir()) == []


def test_an_output_folder_that_is_a_file_is_one_line(tmp_path, capsys):
    _, theta = _stage(tmp_path, ("a",))
    (tmp_path / "out").write_text("mine")
    assert _export("-n", theta, "-o", tmp_path / "out") == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'out'}: is there already and is no folder\n"
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_package_is_one_line_with_the_command(package, tmp_path, monkeypatch, capsys):
    _, theta = _stage(tmp_path, ("a",))
    monkeypatch.setitem(sys.modules, package, None)
    assert _export("-n", theta, "-o", tmp_path / "out") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"error: ONNX needs more packages ({package}): pip install -r requirements-export.txt"


def test_the_card_has_the_order_the_matrix_the_limits_and_the_digests(tmp_path):
    _stage(tmp_path, ("a",))
    training = {"steps": 5, "learning_rate": 0.001}
    method = {"penalty": {"form": "squared", "strength": 2.0}}
    _, theta = _stage(tmp_path, ("a", "b"), training=training, method=method, datasets={"b": "…"}, depth=2)
    stages = tmp_path / "results/stages/net/seed3"
    rows = "a,1,nearest,30,0.9,28,0.8\na,2,nearest,20,0.7,28,0.8\nfar,1,nearest,inf,1,28,0.8\na,1,none,1,0,1,0\n"
    (stages / "first/a/scores/all.csv").write_text(SCORES + rows)
    (stages / "nr/a/b/scores/a.csv").write_text(SCORES + "a,1,nearest,22,0.6,28,0.8\na,2,nearest,20,0.7,28,0.8\n")
    (stages / "nr/a/b/scores/b.csv").write_text(SCORES + "b,1,nearest,33.333,0.95,28,0.8\n")
    (tmp_path / "results/datasets/a").mkdir(parents=True)
    rainy = "dataset,image,psnr_y_db,ssim_y,psnr_rgb_db,ssim_rgb\na,1,21,0,0,0\na,2,23,0,0,0\n"
    (tmp_path / "results/datasets/a/rainy.csv").write_text(rainy)

    assert _export("-n", theta, "-o", tmp_path / "out", "--name", "wet streets") == 0
    text = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert "one after another: a → b." in text
    assert "Method `nr`, seed 3." in text
    assert "| `steps` | 5 |" in text
    assert "| penalty | `form` squared, `strength` 2.0 |" in text
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    assert [row for row in table if len(row) == 4] == [
        ["after", "a", "b", "far"],
        ["the rainy input", "22.00", "", ""],
        ["a", "25.00 / 0.8000", "", "100.00 / 1.0000"],
        ["a → b", "21.00 / 0.6500", "33.33 / 0.9500", ""],
    ]
    assert "* On a the output scores below the rainy input: 21.00 dB, the input 22.00 dB." in text
    assert "* On b" not in text
    assert "up to 10 pixels away" in text  # 2 stages of conv0, gates, a block of two, conv
    for name in ("model.safetensors", "model.onnx"):
        assert f"| `{name}` | `{file_digest(tmp_path / 'out' / name)}` |" in text

    data = ModelCard(text).data  # as Hugging Face reads it
    assert data.model_name == "wet streets"
    found = {(each.dataset_name, each.metric_type): each.metric_value for each in data.eval_results}
    assert found == {("a", "psnr"): 21.0, ("a", "ssim"): 0.65, ("b", "psnr"): 33.33, ("b", "ssim"): 0.95}


def test_the_code_of_the_card_works_as_it_stands(tmp_path, monkeypatch):
    _, theta = _stage(tmp_path, ("a",))
    assert _export("-n", theta, "-o", tmp_path / "out") == 0
    monkeypatch.chdir(tmp_path / "out")
    pixels = np.random.default_rng(0).integers(0, 256, (23, 31, 3)).astype(np.uint8)
    Image.fromarray(pixels).save("photograph.png")
    outputs = []
    for code in re.findall(r"(?ms)^```python\n(.*?)^```$", Path("README.md").read_text(encoding="utf-8")):
        assert len(code.strip().splitlines()) <= 6
        exec(code, {})
        outputs.append(np.asarray(Image.open("restored.png")).astype(int))
        Path("restored.png").unlink()
    assert len(outputs) == 2
    assert np.abs(outputs[0] - outputs[1]).max() <= 1  # a level at most, where a value is near the middle of two
    assert np.abs(outputs[0] - pixels).max() > 1


@pytest.mark.slow
def test_published_weights_are_exported_with_their_digest_and_without_scores(tmp_path):
    network = _network(TINY)
    file = tmp_path / "published.pth"
    torch.save({"params": {f"module.{name}": tensor for name, tensor in network.state_dict().items()}}, file)
    options = [f"--option={key}={json.dumps(TINY[key])}" for key in ("stages", "channels", "blocks")]
    assert _export("-n", file, "-o", tmp_path / "out", "--backbone", "prenet", *options) == 0
    text = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert f"Initial weights: sha256 `{file_digest(file)}`" in text
    assert "There were no scores beside these weights." in text
    assert "model-index" not in yaml.safe_load(text.split("---")[1])
    loaded = load(tmp_path / "out/model.safetensors")
    assert loaded.state_dict().keys() == network.state_dict().keys()


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("results/stages/net/seed3/nr/a/b", "net/seed3/nr/a/b"),
        ("results/stages/results/stages/net/seed3/joint/a+b", "net/seed3/joint/a+b"),
        ("results/stages/net/seed0/given", "net/seed0/given"),
        ("results/stages/net", None),
        ("results/stages/net/seedx/nr/a", None),
        ("results/search/net/seed0/nr/a/b/scale-1", None),
        ("elsewhere", None),
    ],
)
def test_the_stage_of_a_file_comes_from_its_place(place, path, tmp_path):
    found = stage_of(tmp_path / place / "theta.safetensors")
    assert (found and found[1].path) == path
