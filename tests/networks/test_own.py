"""Network classes of the user's own: what is refused before any job, in one line each, and what decides a rerun."""

import json
import re
import shutil
import sys
import textwrap
from types import SimpleNamespace

import psutil
import pytest
import torch
import yaml
from commandline import snakemake
from derain.config.experiment import read_experiment
from derain.errors import UserError
from derain.files import tensors
from derain.files.metadata import recipe_digest
from derain.files.source import read_source
from derain.networks import build, own, weights
from derain.plan import networks as checks
from derain.plan import trial
from derain.plan.given import given_faults
from derain.plan.plan import Plan
from derain.plan.recipes import OWN_SOURCE
from derain.training.network import network_on, section_of
from entry import run_script
from faults import faults_of
from places import REPOSITORY
from tiny import TINY

FROZEN = REPOSITORY / "tests/frozen_network.py"
NORM = "self.norm = nn.BatchNorm2d(3)\n"
ASKED = {"options": {}, "weights": None, "patch": 16, "bfloat16": True, "float64": True}
RAIN = {"angle": [0, 10], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.3]}


def code(forward="return rainy + self.conv(rainy).float()", init="", more="", options="channels=3"):
    """The source of a network: one convolution, and what is given."""
    inner = textwrap.indent(f"super().__init__()\nself.conv = nn.Conv2d(3, 3, 3, padding=1)\n{init}", " " * 8)
    methods = f"    def __init__(self, {options}):\n{inner}\n\n    def forward(self, rainy):\n"
    methods += textwrap.indent(forward, " " * 8) + "\n\n" + textwrap.indent(more, " " * 4)
    return f"import torch\nfrom torch import nn\n\n\nclass Network(nn.Module):\n{methods}\n"


FAULTS = {
    "a module that is missing": (
        "import nowhere\n", "cannot be imported: ModuleNotFoundError: No module named 'nowhere' (mine.py:1)"),
    "an exception at import": (
        "\nraise ValueError('two\\nlines')\n", "cannot be imported: ValueError: two lines (mine.py:2)"),
    "sys.exit": ("import sys\nsys.exit(3)\n", "cannot be imported: SystemExit: 3 (mine.py:2)"),
    "no such class": (
        code().replace("class Network", "class Netwrok"), "has no class 'Network'; did you mean 'Netwrok'?"),
    "a class of something else": ("class Network:\n    pass\n", "Network is no class derived from torch.nn.Module"),
    "a function": ("def Network():\n    pass\n", "Network is no class derived from torch.nn.Module"),
    "an exception in the constructor": (
        code(init="raise KeyError('x')"), "Network cannot be built: KeyError: 'x' (mine.py:9)"),
    "an exception in forward": (code("raise RuntimeError('no')"), "RuntimeError: no (mine.py:12)"),
    "sizes that are multiples only": (
        code("return rainy + self.conv(rainy).unflatten(3, (-1, 2)).flatten(3)"), "RuntimeError: unflatten"),
    "no parameters": (code("return rainy", "del self.conv"), "has no parameters to train"),
    "an integer parameter": (
        code(init="self.n = nn.Parameter(torch.ones(1, dtype=torch.int64), requires_grad=False)"),
        "the parameter n is int64, not float32"),
    "a complex parameter": (
        code(init="self.n = nn.Parameter(torch.ones(1, dtype=torch.complex64))"),
        "the parameter n is complex64, not float32"),
    "a parameter without training": (
        code(init="self.conv.bias.requires_grad_(False)"),
        "the parameter conv.bias is not trained (requires_grad is False); register it as a buffer"),
    "a parameter of no shape": (code(init="self.conv = nn.LazyConv2d(3, 3, padding=1, bias=False)"),
        "the parameter conv.weight is lazy: it has no shape before the first call"),
    "a parameter that is not finite": (
        code(init="nn.init.constant_(self.conv.bias, float('nan'))"),
        "the parameter conv.bias has values that are not finite"),
    "a parameter under two names": (
        code(init="self.other = nn.Linear(1, 3)\nself.other.bias = self.conv.bias"),
        "other.bias and conv.bias are one parameter under two names; give it one, and use it twice in forward"),
    "a tensor that is no buffer": (
        code(init="self.k = torch.ones(1)"), "k is a tensor, but no buffer or parameter; use register_buffer"),
    "a buffer in bfloat16": (
        code(init="self.register_buffer('k', torch.ones(1, dtype=torch.bfloat16))"),
        "the buffer k is bfloat16, which files of θ cannot hold"),
    "an infinite buffer": (
        code(init="self.register_buffer('k', torch.tensor(float('inf')))"),
        "the buffer k has values that are not finite; register it with persistent=False"),
    "other values in the state_dict": (
        code(more="def get_extra_state(self):\n    return 1\n"),
        "its state_dict has _extra_state, which is neither a parameter nor a buffer"),
    "batch normalisation": (
        code("return self.norm(self.conv(rainy))", NORM), "norm is BatchNorm2d, which mixes the images of a batch"),
    "batch normalisation without running statistics": (
        code("return self.norm(self.conv(rainy))", "self.norm = nn.BatchNorm2d(3, track_running_stats=False).eval()\n"
        "self.train = lambda mode=True: self"), "norm is BatchNorm2d, which mixes the images of a batch"),
    "images that mix": (
        code("x = self.conv(rainy)\nreturn rainy + x - x.mean(0)"),
        "the output for an image depends on the other images of its batch"),
    "dropout": (
        code("return rainy + self.drop(self.conv(rainy))", "self.drop = nn.Dropout2d(0.5)"),
        "two calls with the same images differ in training mode; dropout is not supported (drop)"),
    "dropout in eval mode": (
        code("return rainy + nn.functional.dropout(self.conv(rainy), 0.5, True)"),
        "two calls with the same images differ in eval mode"),
    "random outputs": (
        code("return self.conv(rainy) + torch.rand(1)"), "two calls with the same images differ in eval mode"),
    "two modes": (
        code("return self.conv(rainy) * (2 if self.training else 1)"),
        "outputs differ between training and eval mode"),
    "a counter": (
        code("self.n += 1\nreturn self.conv(rainy)", "self.register_buffer('n', torch.tensor(0))"),
        "forward changes n in training mode"),
    "a state in an attribute": (
        code("self.n += 1\nreturn self.conv(rainy) + self.n", "self.n = 0"),
        "two calls with the same images differ in eval mode"),
    "a tuple": (code("return rainy, self.conv(rainy)"), "forward returns tuple, not a tensor"),
    "another shape": (
        code("return self.conv(rainy)[..., 1:]"),
        "the output for 1×3×17×19 is 1×3×17×18; it must have the shape of the input"),
    "another type": (code("return self.conv(rainy).double()"), "the output for float32 is float64"),
    "NaN": (code("return self.conv(rainy) * float('nan')"), "the output for 1×3×17×19 is not finite"),
    "a changed input": (code("rainy += 1\nreturn self.conv(rainy)"), "forward changes its input in place"),
    "no gradient": (code("return self.conv(rainy).detach()"), "its output has no gradient"),
    "an unused parameter": (
        code(init="self.lost = nn.Linear(2, 2, bias=False)"),
        "the parameter lost.weight has no gradient: the output does not depend on it"),
    "an infinite gradient": (
        code("return rainy + (self.conv(rainy) * 0).abs().sqrt()"), "the gradient of conv.weight is not finite"),
    "random numbers of another library": (
        code(init="import random\nself.conv.bias.data += random.random()"),
        "conv.bias differs between two networks of one seed; draw it with torch's random numbers"),
    "a seed of its own": (
        code(init="torch.manual_seed(3)"), "its constructor sets torch's seed, so all seeds of the config would give"),
    "dropout behind a factor that is 0 at the start": (
        code("return rainy + self.factor * nn.functional.dropout(self.conv(rainy), 0.5, self.training).float()",
             "self.factor = nn.Parameter(torch.zeros(1))"),
        "two calls with the same images differ in training mode; dropout is not supported"),
    "a random buffer that is not stored": (
        code("return self.conv(rainy) * self.k", "self.register_buffer('k', torch.rand(1), persistent=False)"),
        "its θ does not decide its output: a network with the same parameters and buffers differs"),
    "bfloat16": (
        code("return self.conv(rainy)"),
        "in training.precision bfloat16, its output is bfloat16; end forward with .float()"),
    "float64": (
        code("return rainy.float() + self.conv(rainy).float()"),
        "as a float64 network, its output is float32 (evaluation.theory_patches needs it)"),
}  # fmt: skip


@pytest.fixture
def mine(tmp_path):
    """Writes the source of a network; returns what is asked of a trial."""

    def write(source, **asked):
        (tmp_path / "mine.py").write_text(source, encoding="utf-8")
        return ASKED | {"place": f"{tmp_path}/mine.py:Network"} | asked

    return write


@pytest.mark.parametrize("fault", FAULTS)
def test_a_class_that_cannot_be_trained_is_one_line_that_says_why(fault, mine):
    source, line = FAULTS[fault]
    found = trial.faults(**mine(source))
    assert found[0].startswith(f": {line}"), found
    assert len(found) == (2 if "gradient of" in line else 1), found
    assert all(each.isprintable() for each in found)


@pytest.mark.parametrize(
    ("signature", "options", "lines"),
    [
        ("channels=3", {"chanels": 4}, [".options.chanels: Network has no such argument; did you mean 'channels'?"]),
        ("channels", {}, [".options.channels: is missing; Network requires it"]),
        ("channels, *, depth, side=1", {"depht": 3}, [
            ".options.depht: Network has no such argument; did you mean 'depth'?",
            ".options.channels: is missing; Network requires it",
            ".options.depth: is missing; Network requires it",
        ]),
        ("**more", {"anything": 4}, []),
    ],
)  # fmt: skip
def test_options_are_those_of_the_signature(signature, options, lines, mine):
    assert trial.faults(**mine(code(options=signature), options=options)) == lines


def test_options_that_the_class_refuses_are_one_line(mine):
    source = code(init="if channels < 1: raise ValueError('channels must be positive')")
    (line,) = trial.faults(**mine(source, options={"channels": 0}))
    assert line == ": Network cannot be built: ValueError: channels must be positive (mine.py:9)"


def test_a_network_with_frozen_normalisation_and_buffers_passes(mine):
    assert trial.faults(**mine(FROZEN.read_text(encoding="utf-8"), options={"channels": 6})) == []


def test_initial_weights_must_fit(mine, tmp_path):
    network = torch.nn.Sequential()
    network.conv = torch.nn.Conv2d(3, 3, 3)
    for name, state in {"fits": network.state_dict(), "lacks": {"conv.weight": network.conv.weight}}.items():
        torch.save(state, tmp_path / f"{name}.pth")
    assert trial.faults(**mine(code(), weights=f"{tmp_path}/fits.pth")) == []
    (line,) = trial.faults(**mine(code(), weights=f"{tmp_path}/lacks.pth"))
    assert line == f".initial_weights: {tmp_path}/lacks.pth: does not fit the network (conv.bias is missing)"


# --- the process that tries a class


def test_what_a_class_prints_and_leaves_running_disturbs_nothing(mine):
    noise = "import subprocess, sys\nprint('[]' * 9999, file=sys.stderr)\nprint('x')\n"
    asked = mine(f"{noise}subprocess.Popen(['sleep', '99'])\n{code('return self.conv(rainy).double()')}")
    assert checks.tried(asked, checks.TRIAL) == [": the output for float32 is float64"]


def test_a_class_that_ends_the_process_is_one_line(mine):
    assert checks.tried(mine("import os\nos._exit(7)\n"), checks.TRIAL) == [
        ": the process that checks it ended with status 7"
    ]


def test_a_class_that_waits_is_killed(mine, monkeypatch):
    monkeypatch.setattr(checks, "PATIENCE", 1.0)
    before = psutil.Process().children()
    found = checks.tried(mine("import time\ntime.sleep(600)\n"), checks.TRIAL)
    assert found == [": was not checked within 1 s; does its module wait or compute at import?"]
    assert psutil.Process().children() == before


def _experiment(**networks):
    return {
        "device": "cpu",
        "orders": [["a", "b"]],
        "datasets": {name: {"layout": "rendered", "rain": RAIN} for name in "ab"},
        "networks": networks,
        "importances": {"gradient": {"patches": 4}},
        "methods": {"nr": {"penalty": {"importance": "gradient", "strength": 1}}},
    }


def test_a_class_is_tried_once_for_each_source_options_weights_and_patch(mine, tmp_path, monkeypatch):
    tries, answer = [], [[": is bad"]]
    monkeypatch.setattr(checks, "tried", lambda asked, module: tries.append(asked) or answer[0])
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"1")
    place = mine(code())["place"]

    def check(patch=32, **section):
        raw = _experiment(mine={"backbone": place} | section) | {"training": {"patch": patch}}
        sources = SimpleNamespace(source=lambda at: read_source(at).digest, weights=lambda file: file.read_text())
        before = len(tries)
        checks.check_networks(read_experiment(raw), sources, tmp_path / "networks", lambda write: write())
        return len(tries) - before

    for _ in range(2):  # faults are not remembered
        with pytest.raises(UserError, match=r"^config: networks.mine: is bad$"):
            check()
    answer[0] = []
    assert [check(), check()] == [1, 0]
    mine(code(init="pass"))
    assert [check(), check()] == [1, 0]
    assert [check(options={"channels": 4}), check(options={"channels": 4})] == [1, 0]
    assert [check(patch=16), check(patch=16)] == [1, 0]
    given = {"initial_weights": str(weights)}
    assert [check(**given), check(**given)] == [1, 0]
    weights.write_bytes(b"2")
    assert [check(**given), check(**given)] == [1, 0]
    assert {path.name for path in (tmp_path / "networks").iterdir()} == {"mine.json"}


def test_a_dry_run_tells_every_fault_in_one_line_and_plans_nothing(mine, tmp_path):
    place = mine("print('noise')\n" + code("return rainy, self.conv(rainy)"))["place"]
    run = snakemake(tmp_path / "run", _experiment(mine={"backbone": place, "options": {}}), "-n")
    assert run.returncode == 1
    lines = [line for line in run.stderr.splitlines() if line.startswith("error:")]
    assert lines == ["error: config: networks.mine: forward returns tuple, not a tensor"]
    assert "Traceback" not in run.stderr
    assert "noise" not in run.stdout + run.stderr
    assert "rule first" not in run.stdout + run.stderr


# --- sources


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("broken.py:Network", r"broken\.py:2: is no Python \(.*\)"),
        ("null.py:Network", r"null\.py.*: (is no Python|cannot be read as Python) \(.*null bytes\)"),
        ("above.py:Network", r"above\.py:1: imports from the folder above; install a package"),
        ("folder.py:Network", r"folder\.py: cannot be read as Python \(folder\.py is no regular file\)"),
        ("torch.nowhere:Network", r"no module torch\.nowhere is installed; a file is named FILE\.py:CLASS"),
        ("math:Network", r"the module math has no Python source"),
    ],
)
def test_what_has_no_source_is_refused_in_one_line(place, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text("x = 1\ny = = 2\n", encoding="utf-8")
    (tmp_path / "null.py").write_bytes(b"x = 1\n\0\n")
    (tmp_path / "above.py").write_text("from ..models import Network\n", encoding="utf-8")
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(UserError) as refused:
        read_source(place)
    assert re.fullmatch(line, str(refused.value))


def test_every_source_that_cannot_be_read_is_a_line(tmp_path):
    (tmp_path / "broken.py").write_text("def (:\n", encoding="utf-8")
    networks = {"a": f"{tmp_path}/broken.py:Network", "b": "nowhere.at_all:Network", "c": f"{FROZEN}:Network"}
    raw = _experiment(**{name: {"backbone": place} for name, place in networks.items()})
    first, second = faults_of(checks.digests_of_classes, read_experiment(raw))
    assert first.startswith(f"config: networks.a.backbone: {tmp_path}/broken.py:1: is no Python (")
    assert second.startswith("config: networks.b.backbone: no module nowhere.at_all is installed")


def test_a_folder_in_place_of_the_file_is_a_fault_of_the_config(tmp_path):
    (tmp_path / "mine.py").mkdir()
    with pytest.raises(UserError) as refused:
        read_experiment(_experiment(mine={"backbone": f"{tmp_path}/mine.py:Network"}))
    assert str(refused.value) == f"config: networks.mine.backbone: there is no file '{tmp_path}/mine.py'"


def _with_a_file_beside(folder):
    """A network of two files, with imports of both kinds; `random.py` beside them is no part of it."""
    folder.mkdir()
    main = code("return rainy + self.block(self.conv(rainy))", "from blocks import Block\nself.block = Block()")
    (folder / "mine.py").write_text(f"import random\n\nfrom .blocks import Block as Again\n{main}", encoding="utf-8")
    (folder / "blocks.py").write_text("from torch import nn\n\nBlock = nn.ReLU\n", encoding="utf-8")
    (folder / "random.py").write_text("raise ValueError\n", encoding="utf-8")
    return f"{folder}/mine.py:Network"


def test_files_beside_the_file_are_imported_under_private_names(tmp_path):
    places = [_with_a_file_beside(tmp_path / name) for name in ("one", "other")]
    (tmp_path / "other/blocks.py").write_text("from torch import nn\n\nBlock = nn.GELU\n", encoding="utf-8")
    before = list(sys.path)
    blocks = []
    for place in places:
        source = read_source(place)
        blocks.append(type(own.built(source, own.network_class(source), {}).block))
    assert blocks == [torch.nn.ReLU, torch.nn.GELU]
    assert sys.path == before
    assert not {"mine", "blocks"} & sys.modules.keys()
    assert not list(tmp_path.rglob("__pycache__"))


def _recipes(raw):
    plan = Plan(read_experiment(raw))
    at = SimpleNamespace(stage="mine/seed0/first/a", part="all", importance="gradient", shard="0")
    return [plan.theta.recipe(at), plan.importance_shard.recipe(at), plan.scores.recipe(at)]


def test_the_bytes_of_the_source_decide_a_recipe_and_its_place_does_not(tmp_path):
    place = _with_a_file_beside(tmp_path / "one")
    before = _recipes(_experiment(mine={"backbone": place}))
    assert all(str(tmp_path) not in json.dumps(recipe) and "mine.py" not in json.dumps(recipe) for recipe in before)
    assert all("derain.networks.own" in recipe["code"] for recipe in before)

    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    (tmp_path / "copy/mine.py").rename(tmp_path / "copy/renamed.py")
    assert _recipes(_experiment(mine={"backbone": f"{tmp_path}/copy/renamed.py:Network"})) == before
    (tmp_path / "one/random.py").write_text("other = 1\n", encoding="utf-8")
    assert _recipes(_experiment(mine={"backbone": place})) == before

    for file in ("mine.py", "blocks.py"):
        with (tmp_path / "one" / file).open("a", encoding="utf-8") as opened:
            opened.write("\n")
        after = _recipes(_experiment(mine={"backbone": place}))
        assert all(old != new for old, new in zip(before, after, strict=True))
        assert [{**new, "code": old["code"]} for old, new in zip(before, after, strict=True)] == before
        before = after
    after = _recipes(_experiment(mine={"backbone": place, "options": {"channels": 5}}))
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_a_module_of_a_package_counts_with_the_version_of_its_distribution(tmp_path, monkeypatch):
    package = tmp_path / "rainless"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('is not imported to read a source')\n", encoding="utf-8")
    (package / "nets.py").write_text(code(), encoding="utf-8")
    information = tmp_path / "rainless-1.0.dist-info"
    information.mkdir()
    (information / "top_level.txt").write_text("rainless\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    def digest(version):
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: rainless\nVersion: {version}\n")
        return read_source("rainless.nets:Network").digest

    assert digest("1.0") == digest("1.0") != digest("1.1")
    first = digest("1.0")
    (package / "nets.py").write_text(code(init="pass"), encoding="utf-8")
    assert digest("1.0") != first
    (package / "__init__.py").write_text("", encoding="utf-8")
    assert trial.faults(**ASKED, place="rainless.nets:Network") == []


def test_a_job_finds_the_source_by_its_digest_and_refuses_one_that_has_changed(mine, tmp_path):
    place = mine(code())["place"]
    section = {"backbone": "own", "class_name": "Network", "options": {}, "digest": read_source(place).digest}
    (tmp_path / "other.py").write_text(code(init="pass"), encoding="utf-8")
    places = ["prenet", f"{tmp_path}/other.py:Network", place]
    assert set(build(**section, places=places).state_dict()) == {"conv.weight", "conv.bias"}
    (tmp_path / "other.py").unlink()
    assert set(build(**section, places=places).state_dict()) == {"conv.weight", "conv.bias"}
    mine(code(init="self.more = 1"))
    with pytest.raises(UserError) as refused:
        build(**section, places=places)
    assert str(refused.value) == f"{places[1]}, {place}: changed since this run began; run again"


def test_the_digest_of_the_run_counts_in_jobs(mine, tmp_path):
    """A job plans with the digests that its run has found, even if the file is another one by then."""
    place = mine(code())["place"]
    experiment = read_experiment(_experiment(mine={"backbone": place}))
    sources = SimpleNamespace(pairs=lambda name, use: "", source=lambda at: f"planned {at}")
    recipe = Plan(experiment, sources).theta.recipe(SimpleNamespace(stage="mine/seed0/first/a"))
    assert recipe["code"][OWN_SOURCE] == f"planned {place}"


# --- θ of a network with buffers


def test_buffers_come_back_from_a_file_with_their_shapes_types_and_names(tmp_path):
    source = read_source(f"{FROZEN}:Network")
    one, other = (own.built(source, own.network_class(source), {}) for _ in range(2))
    one.norm.num_batches_tracked += 7
    one.used[0] = False
    path = tmp_path / "theta.safetensors"
    tensors.write(path, weights.of_network(one), weights.buffer_metadata(one))
    weights.load_into(other, path)
    for name, value in other.state_dict().items():
        assert torch.equal(value, one.state_dict()[name]), name
        assert value.dtype == one.state_dict()[name].dtype, name
    assert tensors.parameters(path).keys() == dict(one.named_parameters()).keys()
    assert "one" not in one.state_dict()


def test_a_given_network_of_an_own_class_keeps_its_buffers_and_is_scored_as_it_is(tmp_path):
    source = read_source(f"{FROZEN}:Network")
    network = own.built(source, own.network_class(source), {})
    torch.save({f"module.{name}": value for name, value in network.state_dict().items()}, tmp_path / "published.pth")
    given = {"initial_weights": f"{tmp_path}/published.pth", "evaluate_only": True}
    experiment = read_experiment(_experiment(mine={"backbone": f"{FROZEN}:Network", **given}))
    recipe = Plan(experiment).theta.planned(SimpleNamespace(stage="mine/seed0/given")).recipe
    output = [f"{tmp_path}/theta.safetensors"]
    params = {"recipe": recipe.plain(), "weights": given["initial_weights"]}
    run_script(
        "given", output=output, params=params, config=experiment.model_dump(mode="json"), log=[f"{tmp_path}/log"]
    )
    section = section_of(recipe, experiment.model_dump(mode="json"))
    again = network_on("cpu", section, 1, output[0])
    images = torch.rand(1, 3, 9, 8)
    assert torch.equal(again(images), network.eval()(images))
    assert tensors.parameters(output[0]).keys() == dict(network.named_parameters()).keys()
    assert recipe_digest(tensors.read(output[0])[1]) == recipe_digest(recipe.plain())


def test_a_buffer_of_another_type_is_refused(tmp_path):
    source = read_source(f"{FROZEN}:Network")
    network = own.built(source, own.network_class(source), {})
    torch.save(network.state_dict() | {"used": torch.ones(3)}, tmp_path / "theta.pth")
    with pytest.raises(UserError, match=r"holds no weights \(used is float32, not bool\)"):
        weights.load_into(network, tmp_path / "theta.pth")


@pytest.mark.parametrize("more", [{"evaluate_only": True}, {"learned": ["a"]}])
@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ({}, []),
        ({"options": {}}, []),
        ({"options": {"depth": 2}}, []),
        ({"options": {"channels": 4, "depth": 2}}, []),
        ({"options": {"channels": 5, "depth": 3}}, [
            "options.channels: is 5, and THETA was trained with 4",
            "options.depth: is 3, and THETA was trained with 2",
        ]),
        ({"options": {"side": 1}}, ["options.side: is 1, and THETA was trained without it"]),
        ({"backbone": "mine.py:Other"}, ["backbone: is 'mine.py:Other', and THETA was trained with 'Network'"]),
        ({"backbone": "prenet"}, ["backbone: is 'prenet', and THETA was trained with 'Network'"]),
    ],
)  # fmt: skip
def test_a_theta_gives_the_options_of_its_class_and_another_one_is_a_line(more, given, lines, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").touch()
    theta, options = tmp_path / "theta.safetensors", {"channels": 4, "depth": 2}
    said = {"backbone": "own", "class_name": "Network", "options": options}
    tensors.write(theta, {}, {"network": said, "training": {}})
    raw = _experiment(mine={"backbone": "mine.py:Network", "initial_weights": str(theta), **more, **given}, other=TINY)
    if lines:
        told = [f"config: networks.mine.{line}".replace("THETA", repr(str(theta))) for line in lines]
        assert faults_of(read_experiment, raw) == told
    else:
        assert read_experiment(raw).networks["mine"].architecture() == said


def test_a_theta_never_names_the_place_of_its_class(tmp_path):
    theta = tmp_path / "theta.safetensors"
    tensors.write(theta, {}, {"network": {"backbone": "own", "class_name": "Network", "options": {}}})
    raw = _experiment(mine={"initial_weights": str(theta), "evaluate_only": True}, other=TINY)
    assert any(line.startswith("config: networks.mine.backbone: ") for line in faults_of(read_experiment, raw))


@pytest.mark.parametrize("more", [{"evaluate_only": True}, {"learned": ["a"]}, {}])
def test_a_given_theta_of_another_source_of_its_class_is_a_line(more, mine, tmp_path):
    place, theta = mine(code())["place"], tmp_path / "theta.safetensors"
    sources = SimpleNamespace(source=lambda at: read_source(at).digest, weights=lambda file: "")
    said = {"backbone": "own", "class_name": "Network", "options": {}}
    tensors.write(theta, {}, {"network": said, "code": {OWN_SOURCE: read_source(place).digest}})
    experiment = read_experiment(
        _experiment(mine={"backbone": place, "initial_weights": str(theta), **more}, other=TINY)
    )
    assert list(given_faults(experiment, sources)) == []
    mine(code(init="pass"))
    line = f"config: networks.mine.backbone: its source is not the one that {str(theta)!r} was trained with"
    assert list(given_faults(experiment, sources)) == ([line] if more else [])  # a new training may have a new source
    if more:
        assert faults_of(checks.check_networks, experiment, sources, tmp_path, print) == [line]


# --- the document


def test_the_network_of_the_document_passes(tmp_path, monkeypatch):
    page = (REPOSITORY / "docs/how-to/add-a-backbone.md").read_text(encoding="utf-8")
    text = page.partition("## A network of your own")[2]
    blocks = re.findall(r"(?m)(?:^    .*\n|^\n(?=    ))+", text)
    source = next(textwrap.dedent(block) for block in blocks if "class Network" in block)
    section = next(yaml.safe_load(block)["networks"]["mine"] for block in blocks if "networks:" in block)
    file, _, name = section["backbone"].rpartition(":")
    monkeypatch.chdir(tmp_path)
    (tmp_path / file).write_text(source, encoding="utf-8")
    assert trial.faults(**ASKED | {"place": f"{file}:{name}", "options": section["options"]}) == []
    read_experiment(_experiment(mine=section))
