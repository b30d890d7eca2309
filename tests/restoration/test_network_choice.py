"""Which network a path, its metadata and the options name."""

import os
import shutil

import numpy as np
import pytest
import torch
from derain.errors import UserError
from derain.files import tensors
from derain.files.source import read_source
from derain.networks import weights
from derain.restoration.loading import load
from restorations import pixels_of, restore, status, whole
from tiny import TINY
from torch import nn


def test_a_loaded_network_has_the_parameters_of_its_file(network, theta):
    loaded = load(theta)
    assert not loaded.training
    for name, parameter in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], parameter)


def test_published_weights_need_their_backbone(photos, network, tmp_path, capsys):
    torch.save({"state_dict": network.state_dict()}, tmp_path / "published.pth")
    given = (photos / "a.png", "-o", tmp_path / "out", "-n", tmp_path / "published.pth")
    assert restore(*given) == 1
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/published.pth: does not say which network it is; name the backbone; it fits backbone: "
        '"prenet", channels: 2, lstm: true, shared_block: true; or backbone: "prenet", channels: 2, lstm: true, '
        "blocks: 1, shared_block: false (the shapes do not say which); the weights do not show stages, default 6\n"
    )
    options = [part for key in ("stages", "channels", "blocks") for part in ("--option", f"{key}={TINY[key]}")]
    assert restore(*given, "--backbone", "prenet", *options) == 0
    np.testing.assert_array_equal(pixels_of(tmp_path / "out/a.png"), whole(network, pixels_of(photos / "a.png")))


def test_a_folder_of_a_method_after_the_first_dataset_leads_to_the_stage_that_methods_share(
    photos, theta, tmp_path, capsys
):
    shared = tmp_path / "stages/net/seed0/first/a"
    (tmp_path / "stages/net/seed0/nr/a/b").mkdir(parents=True)
    given = (photos, "-o", tmp_path / "out", "-n", tmp_path / "stages/net/seed0/nr/a")
    for expected in ("is it a stage's folder?", f"all methods share the stage {shared}"):
        assert restore(*given) == 1
        assert capsys.readouterr().err == f"error: {given[-1]}: has no theta.safetensors; {expected}\n"
        shared.mkdir(parents=True, exist_ok=True)
        shutil.copy(theta, shared / "theta.safetensors")
    assert restore(*given[:-1], shared) == 0


def test_weights_that_do_not_fit_are_refused_with_the_options_that_they_fit(photos, network, tmp_path, capsys):
    torch.save(network.state_dict(), tmp_path / "published.pth")
    given = (photos / "a.png", "-o", tmp_path / "out", "-n", tmp_path / "published.pth", "--backbone", "prenet")
    assert restore(*given, "--option", f"channels={TINY['channels'] + 1}") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "does not fit the network (" in line
    assert f'; it fits backbone: "prenet", channels: {TINY["channels"]}, lstm: true' in line


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-n", "nowhere"], "nowhere: there is no such file"),
        (["-n", "nowhere", "--backbone", "prenet"], "nowhere: there is no such file"),
        (["-n", "FOLDER"], "has no theta.safetensors; is it a stage's folder?"),
        (["-n", "OTHER"], "does not say which network it is; name the backbone"),
        (["-n", "OTHER", "--backbone", "prenet"], "holds more than plain tensors (or is damaged)"),
        (["-n", "OTHER", "--backbone", "nosuch"], "backbone: 'nosuch' is not one of prenet, nafnet, restormer"),
        (["-n", "OTHER", "--backbone", "formats"], "backbone: 'formats' is not one of prenet, nafnet, restormer"),
        (["-n", "OTHER", "--backbone", "prenet", "--option", "stages=0"], "stages: should be greater than or equal to"),
        (["-n", "OTHER", "--backbone", "prenet", "--option", "stages=6.5"], "stages: should be a valid integer"),
        (["-n", "OTHER", "--backbone", "prenet", "--option", "stagess=6"], "stagess: unknown key; did you mean"),
        (["-n", "OTHER", "--backbone", "prenet", "--option", "learned=a"], "learned is no option of a backbone"),
        (["-n", "OTHER", "--backbone", "nafnet", "--option", "encoder=[1]"], "decoder: lists 3 levels, and encoder 1"),
        (["-n", "FIFO", "--backbone", "prenet"], "cannot be read as a state dict (fifo.pth is no regular file)"),
        (["-n", "THETA", "--backbone", "nafnet"], "has backbone: 'prenet', by its metadata; leave backbone out"),
        (["-n", "THETA", "--option", "stages"], "--option stages: should be KEY=VALUE"),
        (["-n", "THETA", "--option", "stages=[1"], "--option stages=[1: its value is no YAML"),
        (["-n", "THETA", "--option", "sides=3"], "has no sides, by its metadata; leave sides out"),
        (["-n", "THETA", "--option", "stages=9"], ", by its metadata; leave stages out"),
    ],
)
def test_a_wrong_network_is_one_line(arguments, line, photos, theta, tmp_path, capsys):
    other = tmp_path / "other.pth"
    other.write_bytes(b"no weights")
    os.mkfifo(tmp_path / "fifo.pth")
    places = {"THETA": theta, "OTHER": other, "FOLDER": tmp_path, "FIFO": tmp_path / "fifo.pth"}
    assert restore(photos, "-o", tmp_path / "out", *(str(places.get(each, each)) for each in arguments)) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert line in told


@pytest.mark.parametrize("backbone", [(), ("--backbone", "prenet"), ("--backbone", "mine.py:Mine")])
@pytest.mark.parametrize(
    ("made", "kind"),
    [
        ({"network": TINY, "importance": {}}, "an Ω"),
        ({"network": {"backbone": "own", "class_name": "Mine", "options": {}}, "importance": {}}, "an Ω"),
        ({"how": "mean"}, "an Ω"),
        ({"network": TINY, "importance": {}, "count": 2}, "a shard of an Ω"),
        ({"module": "derain.method.memory"}, "a state of a method"),
    ],
)
def test_another_file_of_this_workflow_is_no_network(made, kind, backbone, photos, network, tmp_path, capsys):
    file = tmp_path / "omega.safetensors"
    tensors.write(file, weights.of_network(network), made)
    for command in (("restore", photos), ("export",)):
        assert status(*command, "-n", file, "-o", tmp_path / "out", *backbone) == 1
        assert capsys.readouterr().err == f"error: {file}: is {kind}, no θ\n"
    with pytest.raises(UserError, match=f"is {kind}, no θ$"):
        load(file, *backbone[1:])


OWN = """
from torch import nn
class Scaled(nn.Module):
    def __init__(self, factor=1.0):
        super().__init__()
        self.conv, self.factor = nn.Conv2d(3, 3, 1), factor
    def forward(self, rainy):
        return self.factor * self.conv(rainy)
"""


def test_a_class_of_the_user_is_named_by_the_user_and_never_by_a_file(photos, tmp_path, capsys):
    own, theta, published = tmp_path / "own.py", tmp_path / "theta.safetensors", tmp_path / "published.pth"
    own.write_text(f"open({str(tmp_path / 'was run')!r}, 'w')\n{OWN}")
    place = f"{own}:Scaled"
    convolution = nn.Conv2d(3, 3, 1)
    values = {f"conv.{name}": tensor.detach() for name, tensor in convolution.state_dict().items()}
    torch.save(values, published)
    said = {"backbone": "own", "class_name": "Scaled", "options": {"factor": 0.5}}
    digest = read_source(place).digest

    def refused(said, *arguments):
        tensors.write(theta, values, {"network": said, "code": {"backbone": digest}})
        assert restore(photos / "a.png", "-o", tmp_path / "out", "-n", theta, *arguments) == 1
        (line,) = capsys.readouterr().err.splitlines()
        return line

    assert "its network is the class Scaled; name its place as the backbone, FILE.py:Scaled" in refused(said)
    assert "FILE.py:Scaled" in refused({**said, "places": [place], "digest": digest})
    assert "name no backbone of this library" in refused({"backbone": place, "factor": 0.5})
    assert "name no backbone of this library" in refused({"backbone": "formats"})
    assert "stages: should be" in refused({**TINY, "stages": 0})
    assert not (tmp_path / "was run").exists()
    assert "has factor: 0.5, by its metadata" in refused(said, "--backbone", place, "--option", "factor=2")

    tensors.write(theta, values, {"network": said, "code": {"backbone": digest}})
    for network, more, factor in ((theta, (), 0.5), (published, ("--option", "factor=0.25"), 0.25)):
        given = (photos / "a.png", "-o", tmp_path / "out", "-n", network, "--backbone", place, *more)
        assert restore(*given) == 0
        scaled = nn.Conv2d(3, 3, 1)  # by a power of two, so exactly
        scaled.load_state_dict({name: factor * tensor for name, tensor in convolution.state_dict().items()})
        expected = whole(scaled.eval(), pixels_of(photos / "a.png"))
        np.testing.assert_array_equal(pixels_of(tmp_path / "out/a.png"), expected)
    # The same weights with another option, or after a change of the class, are not there already.
    own.write_text(OWN.replace("self.factor * self", "0.5 * self"))
    assert "its source is not the one that" in refused(said, "--backbone", place)
    given = (photos / "a.png", "-o", tmp_path / "out", "-n", published, "--backbone", place)
    for more, count in (("factor=0.25", "1 restored"), ("factor=0.25", "1 there already"), ("factor=2", "1 restored")):
        capsys.readouterr()
        assert restore(*given, "--option", more) == 0
        assert count in capsys.readouterr().out


def test_a_class_that_is_edited_meanwhile_is_recorded_as_the_source_that_was_run(photos, tmp_path, capsys):
    """The class edits its own file when it is imported: after its source was read, before its digest is recorded."""
    file, published = tmp_path / "edited.py", tmp_path / "published.pth"
    source = f"{OWN}\nopen(__file__, 'a').write('# edited')\n"
    torch.save({f"conv.{name}": tensor for name, tensor in nn.Conv2d(3, 3, 1).state_dict().items()}, published)
    given = (photos / "a.png", "-o", tmp_path / "out", "-n", published, "--backbone", f"{file}:Scaled")
    for count, edited in (("1 restored", True), ("1 there already", False)):  # imported once
        file.write_text(source)
        assert restore(*given) == 0
        assert count in capsys.readouterr().out
        assert (file.read_text() != source) == edited
