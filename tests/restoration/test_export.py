"""Exported networks: ONNX against PyTorch, safetensors, and the model card."""

import json
import re
import shutil
import sys
from base64 import urlsafe_b64encode
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from derain.curriculum import Stage
from derain.engine.outputs import USED_DIGESTS
from derain.errors import UserError
from derain.evaluation.tiles import Field
from derain.files import tensors
from derain.files.digest import file_digest
from derain.networks import build, weights
from derain.plan.recipes import EvaluationRecipe
from derain.restoration import card, exporting
from derain.restoration.card import stage_of
from derain.restoration.loading import load, opened
from huggingface_hub import ModelCard
from PIL import Image
from restoring import status
from torch import nn

pytestmark = pytest.mark.xdist_group("export")  # one worker exports what its tests share

TINY = {"backbone": "prenet", "stages": 2, "channels": 4, "blocks": 1, "lstm": True, "shared_block": False}
OTHERS = [
    pytest.param(TINY | {"lstm": False, "shared_block": True}, marks=pytest.mark.slow),
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


RECIPE = {
    "code": {"evaluate": "1"}, "network": TINY, "threads": 1, "rounding": ["nearest"], "ssim": "wang2009", "tile": 1024,
    "previews": 3,
}  # fmt: skip


def _recorded(run, theta, *scores, digest=None, pixels="1", ended=0, **settings):
    """Snakemake's records of tables of scores that were made from a θ, and from the scores of rainy inputs that are
    there. pixels: digest of all test images.
    """
    inputs = [theta, *run.glob("results/datasets/*/rainy.csv")]
    used = {str(file.relative_to(run)): [0, file_digest(file)] for file in inputs}
    used |= {str(theta.relative_to(run)): [0, digest]} if digest else {}
    for name in scores:
        file = theta.parent / "scores" / name
        images = dict.fromkeys([line.split(",")[0] for line in file.read_text().splitlines()[1:]], pixels)
        recipe = EvaluationRecipe(**RECIPE | settings, datasets=images).plain()
        record = run / ".snakemake/metadata" / urlsafe_b64encode(str(file.relative_to(run)).encode()).decode()
        record.parent.mkdir(parents=True, exist_ok=True)
        params = ["['a']", repr(recipe)]
        told = {"params": params, "endtime": ended, "input_checksums": {USED_DIGESTS: used}}
        record.write_text(json.dumps(told))


_export = partial(status, "export")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder of a stage's export, its network and its θ; the run has scores of two stages and of a rainy input."""
    run = tmp_path_factory.mktemp("exported")
    _, first = _stage(run, ("a",))
    training = {"steps": 5, "learning_rate": 0.001}
    method = {"penalty": {"form": "squared", "strength": 2.0}}
    network, theta = _stage(run, ("a", "b"), training=training, method=method, datasets={"b": "…"}, depth=2)
    stages = run / "results/stages/net/seed3"
    rows = "a,1,nearest,30,0.9,28,0.8\na,2,nearest,20,0.7,28,0.8\nfar,1,nearest,inf,1,28,0.8\na,1,none,1,0,1,0\n"
    (stages / "first/a/scores/all.csv").write_text(SCORES + rows)
    (stages / "nr/a/b/scores/a.csv").write_text(SCORES + "a,1,nearest,22,0.6,28,0.8\na,2,nearest,20,0.7,28,0.8\n")
    (stages / "nr/a/b/scores/b.csv").write_text(SCORES + "b,1,nearest,33.333,0.95,28,0.8\n")
    (run / "results/datasets/a").mkdir(parents=True)
    rainy = "dataset,image,psnr_y_db,ssim_y,psnr_rgb_db,ssim_rgb\na,1,21,0.5,0,0\na,2,23,0.6,0,0\n"
    (run / "results/datasets/a/rainy.csv").write_text(rainy)
    _recorded(run, first, "all.csv")
    _recorded(run, theta, "a.csv", "b.csv")
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
    network, theta = _stage(tmp_path, ("a", "b"), section)
    assert _export("-n", theta.parent, "-o", tmp_path / "out") == 0
    _check_outputs(tmp_path / "out", network, theta)


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


def test_nothing_that_no_earlier_export_wrote_is_replaced_unasked(exported, tmp_path, monkeypatch, capsys):
    folder, _, theta = exported
    hub = shutil.copytree(folder, tmp_path / "hub")
    onnx = (hub / "model.onnx").read_bytes()
    monkeypatch.setattr(exporting, "_write_onnx", lambda network, file: file.write_bytes(onnx))
    assert _export("-n", theta, "-o", hub) == 0  # all as the earlier export wrote it
    card = (hub / "README.md").read_bytes()
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
        assert (hub / "README.md").read_bytes() == card
    assert _export("-n", hub / "model.safetensors", "-o", hub) == 1  # the input itself
    assert capsys.readouterr().err.startswith(f"error: {hub}/model.safetensors: is there already, ")
    (hub / "model.onnx").unlink()
    (hub / "model.onnx").mkdir()
    assert _export("-n", theta, "-o", hub, "--overwrite") == 1
    assert capsys.readouterr().err == f"error: {hub}/model.onnx: is there already and is no regular file\n"


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_package_is_one_line_with_the_command(package, tmp_path, monkeypatch, capsys):
    _, theta = _stage(tmp_path, ("a",))
    monkeypatch.setitem(sys.modules, package, None)
    assert _export("-n", theta, "-o", tmp_path / "out") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"error: ONNX needs more packages ({package}); in the clone: pip install -r requirements-export.txt"


def test_the_card_has_the_order_the_matrix_the_limits_and_the_digests(exported):
    folder, *_ = exported
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "one after another: a → b." in text
    assert "Method `nr`, seed 3." in text
    assert "| `steps` | 5 |" in text
    assert "| penalty | `form` squared, `strength` 2.0 |" in text
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    assert [row for row in table if len(row) == 4] == [
        ["after", "a", "b", "far"],
        ["the rainy input", "22.00 / 0.5500", "", ""],
        ["a", "25.00 / 0.8000", "", "100.00 / 1.0000"],
        ["a → b", "21.00 / 0.6500", "33.33 / 0.9500", ""],
    ]
    assert "* On a the output scores below the rainy input: 21.00 dB, the input 22.00 dB." in text
    assert "* On b" not in text
    assert "up to 10 pixels away" in text  # 2 stages of conv0, gates, a block of two, conv
    for name in ("model.safetensors", "model.onnx"):
        assert f"| `{name}` | `{file_digest(folder / name)}` |" in text

    data = ModelCard(text).data  # as Hugging Face reads it
    assert data.model_name == "wet streets"
    found = {(each.dataset_name, each.metric_type): each.metric_value for each in data.eval_results}
    assert found == {("a", "psnr"): 21.0, ("a", "ssim"): 0.65, ("b", "psnr"): 33.33, ("b", "ssim"): 0.95}


ROW = "a,1,nearest,22,0.6,28,0.8\n"


def test_the_card_has_the_scores_of_its_own_theta_or_none(tmp_path):
    _, first = _stage(tmp_path, ("a",))
    _, theta = _stage(tmp_path, ("a", "b"))
    for each in (first, theta):
        (each.parent / "scores/all.csv").write_text(SCORES + ROW)
    assert card.scores_of(*stage_of(theta)) is None  # without records
    _recorded(tmp_path, first, "all.csv")
    assert card.scores_of(*stage_of(theta)) is None  # only the stage before is scored
    _recorded(tmp_path, theta, "all.csv")
    assert card.scores_of(*stage_of(theta)).stages == [("a",), ("a", "b")]
    _recorded(tmp_path, first, "all.csv", digest="of another θ")
    assert card.scores_of(*stage_of(theta)).stages == [("a", "b")]
    _recorded(tmp_path, theta, "all.csv", digest="of another θ")
    assert card.scores_of(*stage_of(theta)) is None
    assert "There were no scores that are known to be of these weights." in _card(theta)


def test_rainy_scores_of_other_images_are_not_on_the_card(tmp_path):
    """As after a later experiment with another test set of the same name."""
    _, theta = _stage(tmp_path, ("a",))
    (theta.parent / "scores/all.csv").write_text(SCORES + ROW)
    rainy = tmp_path / "results/datasets/a/rainy.csv"
    rainy.parent.mkdir(parents=True)
    rainy.write_text("dataset,image,psnr_y_db,ssim_y,psnr_rgb_db,ssim_rgb\na,1,21,0.25,0,0\n")
    _recorded(tmp_path, theta, "all.csv")
    assert card.scores_of(*stage_of(theta)).rainy_db == {"a": 21.0}
    rainy.write_text("dataset,image,psnr_y_db,ssim_y,psnr_rgb_db,ssim_rgb\na,1,23,0.25,0,0\n")  # the same name
    assert card.scores_of(*stage_of(theta)).rainy_db == {}
    rainy.unlink()
    assert card.scores_of(*stage_of(theta)).rainy_db == {}


def _scored(run, theta, name, psnr, sets="a", **made):
    """A table of scores with its record."""
    rows = "".join(f"{each},1,nearest,{psnr},0.6,28,0.8\n" for each in sets)
    (theta.parent / "scores" / name).write_text(SCORES + rows)
    _recorded(run, theta, name, **made)


@pytest.mark.parametrize("change", [{"pixels": "2"}, {"ssim": "full_size"}, {"tile": 64}, {"pixels": "2", "tile": 64}])
def test_the_card_has_the_scores_of_one_evaluation(change, tmp_path):
    """A table of all datasets stays beside those of each dataset after `evaluation.split` was changed."""
    _, first = _stage(tmp_path, ("a",))
    _, theta = _stage(tmp_path, ("a", "b"))
    for each in (first, theta):
        _scored(tmp_path, each, "all.csv", 20, "abc", ended=1)
    for name, ended in (("a", 2), ("b", 3)):
        _scored(tmp_path, theta, f"{name}.csv", 30, name, ended=ended, **change)
    found = card.scores_of(*stage_of(theta)).psnr_db
    same_settings = change.keys() == {"pixels"}  # then test set c, whose images are the same, was not scored again
    assert found.pop(("a", "b")) == {"a": 30, "b": 30} | ({"c": 20} if same_settings else {})
    assert found == ({("a",): {"c": 20}} if same_settings else {})
    _scored(tmp_path, first, "a.csv", 25, ended=4, **change)
    assert card.scores_of(*stage_of(theta)).psnr_db["a",]["a"] == 25


def test_scores_of_the_test_images_that_are_there_come_before_later_ones(tmp_path):
    """As after a change of the test images and of `evaluation.split` was undone: nothing is scored again."""
    _, theta = _stage(tmp_path, ("a",))
    rainy = tmp_path / "results/datasets/a/rainy.csv"
    rainy.parent.mkdir(parents=True)
    text = "dataset,image,psnr_y_db,ssim_y,psnr_rgb_db,ssim_rgb\na,1,{},0.25,0,0\n"
    for name, psnr, change in (("all.csv", 20, {}), ("a.csv", 30, {"pixels": "2", "ended": 1})):
        rainy.write_text(text.format(psnr))
        _scored(tmp_path, theta, name, psnr, **change)
    for psnr in (30, 20):
        rainy.write_text(text.format(psnr))
        found = card.scores_of(*stage_of(theta))
        assert (found.psnr_db, found.rainy_db) == ({("a",): {"a": psnr}}, {"a": psnr})


TRAINED = {"training": {"steps": 5}, "method": {}}


def _rows(text):
    """The first cells of the table of scores."""
    table = text.partition("| after |")[2].partition("\n\n## ")[0]
    return [line.split("|")[1].strip() for line in table.splitlines()[3:] if line]


@pytest.mark.parametrize("learned", [("a",), ("a", "b")])
def test_the_card_says_which_datasets_were_learned_elsewhere(learned, tmp_path):
    """A given network, and the same after two datasets more."""
    stages = [Stage("net", 3, "first", learned, len(learned))]
    stages += [Stage("net", 3, "nr", (*learned, *more), len(learned)) for more in ("c", "cd")]
    told = {"initial_weights": "0123abcd"}
    for stage in stages:
        theta = tmp_path / stage.file("theta.safetensors")
        (theta.parent / "scores").mkdir(parents=True)
        tensors.write(theta, weights.of_network(_network(TINY)), {"network": TINY, **told})
        (theta.parent / "scores/a.csv").write_text(f"{SCORES}a,1,nearest,30,0.9,28,0.8\n")
        _recorded(tmp_path, theta, "a.csv")
        told = {"parents": {"theta": file_digest(theta)}, "depth": 2, **TRAINED}
    first, _, last = (_card(tmp_path / stage.file("theta.safetensors")) for stage in stages)
    elsewhere = ", ".join(learned)
    for text in (first, last):
        assert f"weights were trained elsewhere, according to the config on {elsewhere}.\n" in text
        assert "Initial weights: sha256 `0123abcd`." in text
    assert "Method" not in first
    assert "Then it learned 2 datasets, one after another: c → d.\nMethod `nr`, seed 3.\n" in last
    assert _rows(first) == [elsewhere]
    assert _rows(last) == [elsewhere, f"{elsewhere} → c", f"{elsewhere} → c → d"]


def test_the_card_of_a_joint_network_has_no_stages_before_it(tmp_path):
    """The network of its first dataset alone has scores, too."""
    for stage in (Stage("net", 3, "first", ("a",)), Stage("net", 3, "joint", ("a", "b"))):
        theta = tmp_path / stage.file("theta.safetensors")
        (theta.parent / "scores").mkdir(parents=True)
        told = {"initial_weights": "0123abcd", **TRAINED}
        tensors.write(theta, weights.of_network(_network(TINY)), {"network": TINY, **told})
        (theta.parent / "scores/a.csv").write_text(f"{SCORES}a,1,nearest,30,0.9,28,0.8\n")
        _recorded(tmp_path, theta, "a.csv")
    text = _card(theta)
    assert "It learned 2 datasets at once: a, b.\nMethod `joint`, seed 3." in text
    assert _rows(text) == ["a, b"]


def _card(theta):
    return card.card("x", opened(theta).metadata, 1, Field(1, 1), {}, stage_of(theta))


def test_the_card_of_a_blend_has_its_share_and_what_was_blended(tmp_path):
    """A fixed α stands in the metadata, a chosen one in the table beside θ."""
    parents = {"theta": "11", "trained": "22"}
    for learned, told in ((("a", "b"), {"alphas": [0.25]}), (("a", "c"), {"alphas": [0.75, 0.5], "give_up": 0.1})):
        _, theta = _stage(tmp_path, learned, datasets={learned[1]: "…"}, parents=parents, **told)
        table = "alpha,validation_psnr_rgb_db,relative_move,chosen\n0.75,1,1,False\n0.5,1,1,True\n"
        (theta.parent / "blend.csv").write_text(table)
        text = _card(theta)
        assert f"α = {0.25 if 'give_up' not in told else 0.5}. θⁿ is the network" in text
        assert "(sha256 `11`)" in text
        assert "(sha256 `22`)" in text
    copied = shutil.copy(theta, tmp_path / "theta.safetensors")  # without its table
    assert "α one of 0.75, 0.5 or 1." in _card(Path(copied))


def test_the_card_of_a_later_stage_names_the_weights_that_the_first_one_started_from(tmp_path):
    _, first = _stage(tmp_path, ("a",), initial_weights="0123abcd")
    _, later = _stage(tmp_path, ("a", "b"), parents={"theta": file_digest(first)})
    assert "Initial weights: sha256 `0123abcd`." in _card(later)
    _, other = _stage(tmp_path, ("a", "c"), parents={"theta": "of another θ"})
    assert "Initial weights" not in _card(other)


def test_the_code_of_the_card_works_as_it_stands(exported, tmp_path, monkeypatch):
    folder, *_ = exported
    shutil.copytree(folder, tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    pixels = np.random.default_rng(0).integers(0, 256, (23, 31, 3)).astype(np.uint8)
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


@pytest.mark.slow
def test_published_weights_are_exported_with_their_digest_and_without_scores(tmp_path):
    network = _network(TINY)
    file = tmp_path / "published.pth"
    torch.save({"params": {f"module.{name}": tensor for name, tensor in network.state_dict().items()}}, file)
    options = [f"--option={key}={json.dumps(TINY[key])}" for key in ("stages", "channels", "blocks")]
    assert _export("-n", file, "-o", tmp_path / "out", "--backbone", "prenet", *options) == 0
    text = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert f"Initial weights: sha256 `{file_digest(file)}`" in text
    assert "There were no scores that are known to be of these weights." in text
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
