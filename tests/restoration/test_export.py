"""Exported networks: ONNX against PyTorch, safetensors, and the files of an export."""

import json
import re
import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from derain.errors import UserError
from derain.evaluation.tiles import field_of
from derain.files import tensors
from derain.files.digest import file_digest
from derain.files.source import read_source
from derain.networks import weights
from derain.restoration import exporting
from derain.restoration.card import card, stage_of
from derain.restoration.loading import load, opened
from PIL import Image
from restorations import status
from scored import SMALL, network_of, write_scored, write_stage
from torch import nn
from trees import any_letter

pytestmark = pytest.mark.xdist_group("export")  # one worker exports what its tests share

OTHERS = [
    pytest.param(SMALL | {"lstm": False, "shared_block": True}, marks=pytest.mark.slow),
    pytest.param({"backbone": "nafnet", "width": 4}, marks=pytest.mark.slow),
    pytest.param({"backbone": "restormer", "width": 4, "heads": [1, 1, 1, 1]}, marks=pytest.mark.slow),
]
SIZES = [(1, 64, 48), (3, 35, 22), (1, 9, 9), (1, 1, 77), (2, 129, 130)]

_export = partial(status, "export")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder of a stage's export, its network and its θ, in a run of `write_scored`."""
    run = tmp_path_factory.mktemp("exported")
    network, theta = write_scored(run)
    assert _export("-n", theta.parent, "-o", run / "out", "--name", "wet streets") == 0
    return run / "out", network, theta


def _check_outputs(folder, network, theta):
    """safetensors and ONNX of an export give the outputs of the network."""
    assert (folder / "model.safetensors").read_bytes() == theta.read_bytes()
    loaded = load(folder / "model.safetensors")
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    for batch, height, width in SIZES:
        rainy = torch.rand(batch, 3, height, width)
        with torch.inference_mode():
            expected = network(rainy)
            assert torch.equal(loaded(rainy), expected)
        (restored,) = session.run(None, {"rainy": rainy.numpy()})
        assert restored.shape == (batch, 3, height, width)
        assert np.abs(restored - expected.numpy()).max() <= 1e-4
        assert np.abs(restored - rainy.numpy()).max() > 1e-3  # the network does something


def test_onnx_and_safetensors_give_the_outputs_of_the_network_on_sizes_of_all_kinds(exported):
    _check_outputs(*exported)


@pytest.mark.parametrize("section", OTHERS, ids=lambda section: section["backbone"])
def test_onnx_and_safetensors_give_the_outputs_of_other_networks(section, tmp_path):
    network, theta = write_stage(tmp_path, ("a", "b"), section)
    assert _export("-n", theta.parent, "-o", tmp_path / "out") == 0
    _check_outputs(tmp_path / "out", network, theta)


class BySize(nn.Module):
    """What an export that follows one path through the code gets wrong."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, rainy):
        return self.conv(rainy) if rainy.shape[2] > 40 else rainy


@pytest.mark.slow
def test_a_network_that_onnx_does_not_follow_is_refused_and_nothing_appears(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "_write_safetensors", lambda network, file, *told: file.write_bytes(b"written"))
    with pytest.raises(UserError, match=r"model.onnx: on \(1, 3, 33, 57\) the output .* differs|cannot be exported"):
        exporting.export(BySize().eval(), tmp_path, {})
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_other_outputs_is_refused_and_nothing_appears(tmp_path, monkeypatch):
    network, _ = write_stage(tmp_path, ("a",))
    arrays = weights.of_network
    monkeypatch.setattr(weights, "of_network", lambda of: {name: -array for name, array in arrays(of).items()})
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"model.safetensors: loaded again"):
        exporting.export(network, tmp_path / "out", {"network": SMALL})
    assert list((tmp_path / "out").iterdir()) == []


def test_an_output_folder_that_is_a_file_is_one_line(tmp_path, capsys):
    _, theta = write_stage(tmp_path, ("a",))
    (tmp_path / "out").write_text("mine")
    assert _export("-n", theta, "-o", tmp_path / "out") == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'out'}: is there already and is no folder\n"
    assert (tmp_path / "out").read_text() == "mine"


def test_nothing_that_no_earlier_export_wrote_is_replaced_unasked(tmp_path, monkeypatch, capsys):
    _, theta = write_stage(tmp_path, ("a",))
    hub = tmp_path / "hub"
    monkeypatch.setattr(exporting, "_write_onnx", lambda network, file: file.write_bytes(b"ONNX"))
    for _ in range(2):  # the second time, all is as the first one wrote it
        assert _export("-n", theta, "-o", hub) == 0
    text = (hub / "README.md").read_bytes()
    cases = {"README.md": b"license: mine", "model.onnx": b"other", "model.safetensors": b"other"}
    for name, mine in cases.items():
        kept = {each: (hub / each).read_bytes() for each in cases} | {name: mine}
        (hub / name).write_bytes(mine)
        capsys.readouterr()
        assert _export("-n", theta, "-o", hub) == 1
        reason = "is there already, and not as an earlier call wrote it"
        told = f"error: {hub / name}: {reason}; delete it, or use derain export --overwrite\n"
        assert capsys.readouterr().err == told
        assert {each: (hub / each).read_bytes() for each in cases} == kept
        assert _export("-n", theta, "-o", hub, "--overwrite") == 0
        assert (hub / "README.md").read_bytes() == text
    assert _export("-n", hub / "model.safetensors", "-o", hub) == 1  # the input itself
    assert capsys.readouterr().err == f"error: {hub}/model.safetensors: is the input itself; choose another folder\n"
    assert (hub / "model.safetensors").read_bytes() == theta.read_bytes()
    (hub / "model.onnx").unlink()
    (hub / "model.onnx").mkdir()
    assert _export("-n", theta, "-o", hub, "--overwrite") == 1
    assert capsys.readouterr().err == f"error: {hub}/model.onnx: is there already and is no regular file\n"


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_package_is_one_line_with_the_command(package, tmp_path, monkeypatch, capsys):
    _, theta = write_stage(tmp_path, ("a",))
    monkeypatch.setitem(sys.modules, package, None)
    assert _export("-n", theta, "-o", tmp_path / "out") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"error: ONNX needs more packages ({package}); in the clone: pip install -r requirements-export.txt"


def test_the_card_of_an_export_is_that_of_its_stage_with_the_digests_of_its_files(exported):
    folder, network, theta = exported
    digests = {name: file_digest(folder / name) for name in ("model.safetensors", "model.onnx")}
    parameters = sum(parameter.numel() for parameter in network.parameters())
    about = opened(theta).metadata, parameters, field_of(network), digests, stage_of(theta)
    assert (folder / "README.md").read_text(encoding="utf-8") == card("wet streets", *about)


def _check_code_of_card(pixels):
    """The code of the card in the working directory restores a photograph, twice with the same outputs."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90°
    Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_90).save("photograph.png", exif=exif)
    outputs = []
    for code in re.findall(r"(?ms)^```python\n(.*?)^```$", Path("README.md").read_text(encoding="utf-8")):
        assert len(code.strip().splitlines()) <= 6
        exec(code, {})
        outputs.append(np.asarray(Image.open("restored.png")).astype(int))
        Path("restored.png").unlink()
    assert len(outputs) == 2
    assert np.abs(outputs[0] - outputs[1]).max() <= 1  # a level at most, where a value is near the middle of two
    assert np.abs(outputs[0] - pixels).max() > 1


PIXELS = np.random.default_rng(0).integers(0, 256, (23, 31, 3)).astype(np.uint8)


def test_the_code_of_the_card_works_as_it_stands(exported, tmp_path, monkeypatch):
    folder, *_ = exported
    shutil.copytree(folder, tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    _check_code_of_card(PIXELS)


OWN = """
from torch import nn
from layer import padded
class Scaled(nn.Module):
    def __init__(self, factor=1.0):
        super().__init__()
        self.conv, self.factor = nn.Conv2d(3, 3, 3), factor
    def forward(self, rainy):
        return self.factor * self.conv(padded(rainy))
"""
BESIDE = """
from torch.nn.functional import pad
def padded(rainy):
    return pad(rainy, (1, 1, 1, 1), mode="reflect")[..., {cut}:, :]
"""  # an image of one pixel is refused


def _write_own(folder, file="networks.py", cut=0):
    """A class in a file, and a file that it imports. Returns its place, weights without metadata, and θ of a stage.
    cut: rows of each image that are cut off before the convolution.
    """
    (folder / file).write_text(OWN)
    (folder / "layer.py").write_text(BESIDE.format(cut=cut))
    torch.manual_seed(0)
    values = {f"conv.{name}": tensor.detach() for name, tensor in nn.Conv2d(3, 3, 3).state_dict().items()}
    torch.save(values, folder / "published.pth")
    place = f"{folder / file}:Scaled"
    told = {"network": {"backbone": "own", "class_name": "Scaled", "options": {"factor": 0.5}}}
    tensors.write(folder / "theta.safetensors", values, told | {"code": {"backbone": read_source(place).digest}})
    return place, folder / "published.pth", folder / "theta.safetensors"


@pytest.mark.parametrize("file", ["networks.py", "my 'own' net.py", pytest.param("νet.py", marks=any_letter)])
def test_a_class_of_the_user_is_exported_and_the_code_of_its_card_names_it(file, tmp_path, monkeypatch):
    hub = tmp_path / "elsewhere/hub"
    place, published, theta = _write_own(tmp_path, file)
    for weights_file, options in ((theta, {}), (published, {"factor": 0.5})):
        more = [f"--option={key}={value}" for key, value in options.items()]
        assert _export("-n", weights_file, "-o", hub, "--backbone", place, "--overwrite", *more) == 0
        assert str(tmp_path) not in (hub / "README.md").read_text(encoding="utf-8")
        shutil.copy(tmp_path / file, hub)  # as the author of the class does, or a reader who has it
        shutil.copy(tmp_path / "layer.py", hub)
        with monkeypatch.context() as patched:
            patched.chdir(hub)
            _check_code_of_card(PIXELS)
            rainy = torch.rand(1, 3, 20, 30)
            with torch.inference_mode():
                expected = load(weights_file, place, options)(rainy)
                assert torch.equal(load("model.safetensors", f"{file}:Scaled")(rainy), expected)


def test_a_class_that_fails_on_an_image_is_one_line(tmp_path, capsys):
    place, _, theta = _write_own(tmp_path, cut=48)
    assert _export("-n", theta, "-o", tmp_path / "out", "--backbone", place) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: the network fails on (1, 3, 48, 64) (")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
def test_published_weights_are_exported_with_their_digest_and_without_scores(tmp_path):
    network = network_of(SMALL)
    file = tmp_path / "published.pth"
    torch.save({"params": {f"module.{name}": tensor for name, tensor in network.state_dict().items()}}, file)
    options = [f"--option={key}={json.dumps(SMALL[key])}" for key in ("stages", "channels", "blocks")]
    assert _export("-n", file, "-o", tmp_path / "out", "--backbone", "prenet", *options) == 0
    text = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert f"Initial weights: sha256 `{file_digest(file)}`" in text
    assert "There were no scores that are known to be of these weights." in text
    assert "model-index" not in yaml.safe_load(text.split("---")[1])
    loaded = load(tmp_path / "out/model.safetensors")
    assert loaded.state_dict().keys() == network.state_dict().keys()
