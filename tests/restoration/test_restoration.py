"""Photographs through a network: files, formats, odd inputs, resuming, and the functions for Python."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import derain
import numpy as np
import psutil
import pytest
import torch
from derain.commands.restore import device_of
from derain.config.values import bytes_of
from derain.errors import UserError
from derain.evaluation.tiles import Field, sensible_side, smallest_side
from derain.files import tensors
from derain.files.digest import file_digest
from derain.files.source import read_source
from derain.networks import build
from derain.restoration import files, images
from derain.restoration import memory as limits
from derain.restoration.folder import remove_others
from derain.restoration.loading import load
from derain.restoration.photographs import RECORD, photographs
from PIL import Image
from places import REPOSITORY
from restoring import pixels, pixels_of, restore, whole
from tiny import TINY
from torch import nn

# --- files ----------------------------------------------------------------------------------------------------------


def test_a_folder_is_restored_with_its_subfolders_by_a_stage_of_the_results(photos, theta, network, tmp_path):
    assert restore(photos, "-o", tmp_path / "out", "-n", theta.parent) == 0
    for name in ("a.png", "more/b.png"):
        expected = whole(network, pixels_of(photos / name))
        np.testing.assert_array_equal(pixels_of(tmp_path / "out" / name), expected)
    assert (tmp_path / "out/c.jpg").is_file()
    assert not list((tmp_path / "out").rglob("*.partial"))


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


def test_the_command_says_what_it_has_done(photos, theta, tmp_path, capsys):
    """3 photographs; then one of them is damaged, one missing in the output folder, one there."""
    given, out = (photos, "-o", tmp_path / "out", "-n", theta), tmp_path / "out"
    assert restore(*given) == 0
    assert capsys.readouterr().out == f"3 photographs → {out}: 3 restored\n"
    (photos / "a.png").write_bytes(b"")
    (out / "c.jpg").unlink()
    assert restore(*given) == 1
    assert capsys.readouterr().out == f"3 photographs → {out}: 1 restored, 1 there already, 1 not restored\n"
    assert restore(photos / "c.jpg", *given[1:]) == 0
    assert capsys.readouterr().out == f"1 photograph → {out}: 1 there already\n"


def test_what_is_done_is_skipped_and_what_changed_is_not(photos, theta, tmp_path):
    given = (photos, "-o", tmp_path / "out", "-n", theta)
    assert restore(*given) == 0
    files = sorted((tmp_path / "out").rglob("*.*g"))
    before = {file: (file.stat().st_mtime_ns, file_digest(file)) for file in files}
    assert restore(*given) == 0
    assert {file: (file.stat().st_mtime_ns, file_digest(file)) for file in files} == before
    Image.fromarray(pixels(9, 9)).save(photos / "a.png")
    (tmp_path / "out/c.jpg").unlink()
    assert restore(*given) == 0
    changed = {file.name for file in files if file.stat().st_mtime_ns != before[file][0]}
    assert changed == {"a.png", "c.jpg"}
    assert pixels_of(tmp_path / "out/a.png").shape == (9, 9, 3)
    assert file_digest(tmp_path / "out/c.jpg") == before[tmp_path / "out/c.jpg"][1]


def test_freed_memory_is_returned_before_each_photograph_of_another_size(theta, tmp_path, monkeypatch):
    """Free blocks of one size beside those of the next add up: 52 photographs of many sizes held 4.7 GB of 2."""
    for n, size in enumerate(((8, 9), (8, 9), (9, 8), (9, 8), (8, 9))):
        Image.fromarray(pixels(*size)).save(tmp_path / f"{n}.png")
    returned = []
    monkeypatch.setattr(files, "return_freed_memory", lambda: returned.append(None))
    assert restore(*sorted(tmp_path.glob("*.png")), "-o", tmp_path / "out", "-n", theta) == 0
    assert len(returned) == 3


@pytest.mark.parametrize("memory", ["2G", "1G"])
def test_tiles_of_another_size_within_the_same_memory_are_no_other_settings(memory, photos, tmp_path, monkeypatch):
    """A network without finite reach: the side of its tiles follows a measurement, which differs from call to call."""
    torch.manual_seed(1)
    published = build("nafnet", width=2, encoder=[1], middle=1, decoder=[1])
    torch.save(published.state_dict(), tmp_path / "published.pth")
    options = [part for key in ("encoder", "decoder") for part in ("--option", f"{key}=[1]")]
    given = (photos / "a.png", "-o", tmp_path / "out", "-n", tmp_path / "published.pth", "--backbone", "nafnet")
    given = (*given, "--option", "width=2", *options)
    assert restore(*given) == 0
    before = (tmp_path / "out/a.png").stat().st_mtime_ns
    monkeypatch.setattr(files, "side_within", lambda *_: 192)
    assert restore(*given, "--memory", memory) == 0
    assert ((tmp_path / "out/a.png").stat().st_mtime_ns == before) == (memory == "2G")


def test_nothing_that_another_program_wrote_is_replaced_unasked(photos, theta, tmp_path, capsys):
    before = {file: file.read_bytes() for file in photos.rglob("*.*g")}
    assert restore(photos, "-o", photos, "-n", theta) == 1  # in the output folder, all files are taken for outputs
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {photos}: has no photograph outside the output folder {photos}")
    assert restore(*before, "-o", photos, "-n", theta) == 1
    assert capsys.readouterr().err.count("use derain restore --overwrite\n") == 2
    assert {file: file.read_bytes() for file in before} == before
    assert restore(photos / "a.png", "-o", photos, "-n", theta, "--overwrite") == 0
    assert (photos / "a.png").read_bytes() != before[photos / "a.png"]


def test_two_photographs_with_one_output_are_a_fault(photos, theta, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    Image.fromarray(pixels(8, 8)).save(tmp_path / "other/a.png")
    assert restore(photos / "a.png", tmp_path / "other/a.png", "-o", tmp_path / "out", "-n", theta) == 1
    assert f"error: {tmp_path}/other/a.png: its output a.png is that of {photos}/a.png, too" in capsys.readouterr().err
    assert (tmp_path / "out/a.png").is_file()


@pytest.mark.slow
def test_a_kill_leaves_whole_outputs_and_the_same_command_does_the_rest(photos, theta, tmp_path):
    for n in range(12):
        Image.fromarray(pixels(60 + n, 100)).save(photos / f"{n:02}.png")
    assert restore(photos, "-n", theta, "-o", tmp_path / "whole", "--threads", 1) == 0
    command = [sys.executable, "-m", "derain", "restore", str(photos), "-n", str(theta), "--threads", "1", "-o"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "scripts")}
    run = subprocess.Popen([*command, str(tmp_path / "killed")], env=environment)
    end = time.monotonic() + 120
    while not list((tmp_path / "killed").rglob("*.png")) and time.monotonic() < end and run.poll() is None:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    expected = {file.name: file.read_bytes() for file in (tmp_path / "whole").rglob("*.*g")}
    for file in (tmp_path / "killed").rglob("*.*g"):
        assert file.read_bytes() == expected[file.name]
    (tmp_path / "killed" / RECORD).open("a").write('\n["00.png", "ab')  # a line that the kill has cut
    assert restore(photos, "-n", theta, "-o", tmp_path / "killed", "--threads", 1) == 0
    assert {file.name: file.read_bytes() for file in (tmp_path / "killed").rglob("*.*g")} == expected


# --- formats --------------------------------------------------------------------------------------------------------


def test_a_jpeg_has_the_quality_profile_and_exif_of_its_photograph_and_stands_upright(theta, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"  # to be turned by 90°; the maker
    photograph = tmp_path / "p.jpg"
    Image.fromarray(pixels(24, 40)).save(
        photograph, quality=77, subsampling=2, progressive=True, icc_profile=b"a profile", exif=exif, dpi=(300, 300)
    )
    assert restore(photograph, "-o", tmp_path / "out", "-n", theta) == 0
    with Image.open(photograph) as before, Image.open(tmp_path / "out/p.jpg") as after:
        assert after.format == "JPEG"
        assert after.size == (24, 40)
        assert after.quantization == before.quantization
        assert after.info["icc_profile"] == b"a profile"
        assert after.info["dpi"] == (300, 300)
        assert after.info.get("progressive")
        assert dict(after.getexif()) == {0x010F: "camera"}


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P"])
def test_grey_stays_grey_and_alpha_stays_as_it_is(mode, theta, network, tmp_path):
    rgba = np.dstack([pixels(16, 20), pixels(17, 20)[:16, :, 0]])
    image = Image.fromarray(rgba).convert(mode) if mode != "P" else Image.fromarray(rgba[..., :3]).quantize(16)
    image.save(tmp_path / "p.png")
    assert restore(tmp_path / "p.png", "-o", tmp_path / "out", "-n", theta) == 0
    with Image.open(tmp_path / "p.png") as before, Image.open(tmp_path / "out/p.png") as after:
        assert after.mode == {"P": "RGB"}.get(mode, mode)
        expected = Image.fromarray(whole(network, np.asarray(before.convert("RGB"))))
        if mode in ("L", "LA"):
            assert list(after.convert("L").get_flattened_data()) == list(expected.convert("L").get_flattened_data())
        else:
            np.testing.assert_array_equal(np.asarray(after)[..., :3], np.asarray(expected))
        if "A" in mode:
            assert after.getchannel("A").tobytes() == before.convert("RGBA").getchannel("A").tobytes()


@pytest.mark.parametrize("suffix", [".webp", ".tif", ".bmp", ".png"])
def test_other_formats_stay_what_they_are(suffix, theta, tmp_path):
    Image.fromarray(pixels(16, 20)).save(tmp_path / f"p{suffix}")
    assert restore(tmp_path / f"p{suffix}", "-o", tmp_path / "out", "-n", theta) == 0
    with Image.open(tmp_path / f"p{suffix}") as before, Image.open(tmp_path / f"out/p{suffix}") as after:
        assert (after.format, after.size, after.mode) == (before.format, before.size, before.mode)


# --- extreme sizes, folders, networks, patterns -----------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (900, 2)])
def test_extreme_sizes_are_restored(size, theta, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "side_within", lambda network, field, *_: smallest_side(field))
    Image.fromarray(pixels(*size)).save(tmp_path / "p.png")
    assert restore(tmp_path / "p.png", "-o", tmp_path / "out", "-n", theta) == 0
    assert pixels_of(tmp_path / "out/p.png").shape == (*size, 3)


def test_a_folder_named_like_a_photograph_is_a_folder(photos, theta, tmp_path):
    photos.rename(tmp_path / "x.jpg")
    assert restore(tmp_path / "x.jpg", "-o", tmp_path / "out", "-n", theta) == 0
    assert (tmp_path / "out/more/b.png").is_file()


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


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        *(("--device", name, "should be auto, cpu, cuda or cuda:N") for name in ("foo", "mps", "meta", "cuda:x", "")),
        ("--device", "cuda:99", "torch finds no CUDA device; say cpu, or auto"),
        ("--device", "cuda", "torch finds no CUDA device; say cpu, or auto"),
        *(("--threads", number, "should be between 1 and 1024") for number in ("-1", "0", str(10**30))),
    ],
)
def test_a_wrong_device_or_number_of_threads_is_one_line(option, value, reason, theta, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert restore(tmp_path, "-o", tmp_path / "out", "-n", theta, option, value) == 1
    assert capsys.readouterr().err == f"error: {option} {value}: {reason}\n"
    assert not (tmp_path / "out").exists()


def test_the_device_is_one_of_those_that_torch_finds():
    assert [device_of(asked, 2) for asked in ("auto", "cpu", "cuda", "cuda:1")] == ["cuda", "cpu", "cuda", "cuda:1"]
    assert device_of("auto", 0) == "cpu"
    with pytest.raises(UserError, match="--device cuda:2: torch finds 2 CUDA devices, numbered from 0; say cpu"):
        device_of("cuda:2", 2)


def test_a_pattern_names_photographs(photos, theta, tmp_path, capsys):
    assert restore(f"{photos}/**/*.png", "-o", tmp_path / "out", "-n", theta) == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"a.png", "b.png", RECORD}
    assert restore(f"{photos}/*.tif", "-o", tmp_path / "out", "-n", theta) == 1
    assert "*.tif: no file has such a name" in capsys.readouterr().err


# --- Python ---------------------------------------------------------------------------------------------------------


def test_python_gets_the_same_from_arrays_images_and_tensors(network, theta, monkeypatch):
    loaded = derain.load(theta.parent)
    rainy = pixels(40, 50)
    expected = whole(network, rainy)
    np.testing.assert_array_equal(derain.restore(loaded, rainy), expected)
    np.testing.assert_array_equal(np.asarray(derain.restore(loaded, Image.fromarray(rainy))), expected)
    tensor = torch.from_numpy(rainy).permute(2, 0, 1) / 255
    found = derain.restore(loaded, tensor)
    np.testing.assert_array_equal((found * 255).round().permute(1, 2, 0).numpy(), expected)
    monkeypatch.setattr(images, "side_within", lambda network, field, *_: smallest_side(field))
    np.testing.assert_array_equal(derain.restore(loaded, rainy), expected)


@pytest.mark.parametrize("field", [Field(78, 1), Field(None, 64), Field(0, 1), Field(4, 4)])
@pytest.mark.parametrize("count", [1, 50, 12_000_000])
def test_the_least_memory_gives_tiles_that_are_half_margin_or_the_whole(field, count, network, monkeypatch):
    """The memory that the line names is enough; 100 MB less, to which it is rounded, is not."""
    monkeypatch.setattr(limits, "bytes_per_pixel", lambda _: 10**6)
    monkeypatch.setattr(psutil.Process, "memory_info", lambda _: SimpleNamespace(rss=10**8))
    with pytest.raises(UserError, match=r"^1 bytes of memory are too little .* needed$") as refused:
        limits.side_within(network, field, 1, count)
    enough = int(re.search(r"about (\d+)M", str(refused.value))[1]) * 10**6
    side = limits.side_within(network, field, enough, count)
    assert side >= sensible_side(field) or side**2 >= count
    assert sensible_side(field) in (312, 256, 1, 16)
    with pytest.raises(UserError):
        limits.side_within(network, field, enough - limits.ROUNDED, count)


def test_too_little_memory_is_one_line(photos, theta, tmp_path, capsys):
    assert restore(photos, "-o", tmp_path / "out", "-n", theta, "--memory", "1M") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: 1,000,000 bytes of memory are too little for images of 660 pixels")


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (np.zeros((4, 4, 3)), "uint8, not (4, 4, 3) of float64"),
        (np.zeros((4, 4), np.uint8), "not (4, 4) of uint8"),
        (np.zeros((0, 4, 3), np.uint8), "not (0, 4, 3)"),
        (torch.zeros(1, 3, 4, 4), "not (1, 3, 4, 4)"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "of floats"),
        ("photo.jpg", "not str"),
        *(
            (Image.fromarray(np.zeros((4, 4), kind)), f"a PIL image of mode {mode} has more than 8 bits a channel;")
            for kind, mode in ((np.uint16, "I;16"), (np.int32, "I"), (np.float32, "F"))
        ),
        (Image.new("LAB", (4, 4)), "a PIL image of mode LAB has colours in LAB; convert it to RGB first"),
        (torch.full((3, 4, 4), torch.nan), "in [0, 1], not from nan to nan"),
        (torch.tensor([0, 0.5, torch.inf]).expand(3, 1, 3), "in [0, 1], not from 0 to inf"),
        (torch.tensor([0, 128, 255.0]).expand(3, 1, 3), "in [0, 1], not from 0 to 255"),
        (torch.tensor([-0.0025, 0.5, 1]).expand(3, 1, 3), "in [0, 1], not from -0.0025 to 1"),
    ],
)
def test_python_refuses_other_images(network, image, error):
    with pytest.raises((TypeError, ValueError)) as raised:
        derain.restore(network, image)
    assert error in str(raised.value)


def test_python_takes_values_that_a_rounding_moves_out_of_the_range(network):
    tensor = torch.rand(3, 8, 9, generator=torch.Generator().manual_seed(0)).round()
    expected = derain.restore(network, tensor)
    assert torch.equal(derain.restore(network, tensor * 1.003 - 0.0015), expected)


def test_python_turns_a_pil_image_upright(network, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90°
    Image.fromarray(pixels(20, 30)).save(tmp_path / "p.png", exif=exif)
    with Image.open(tmp_path / "p.png") as image:
        found = derain.restore(network, image)
    np.testing.assert_array_equal(np.asarray(found), whole(network, np.rot90(pixels(20, 30), -1)))


def test_the_tables_of_an_experiment_come_by_stage(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/matrix.csv").write_text("network,seed,method,order,stage,psnr_y_db\nnet,0,nr,a>b,2,30.5\n")
    (tmp_path / "tables/cost.csv").write_text("rule,jobs\nfirst,2\nnext,3\n")  # of rules, not of stages
    matrix, cost = (derain.results(tmp_path)[name] for name in ("matrix", "cost"))
    assert cost["jobs"].tolist() == [2, 3]
    assert matrix.loc[("net", 0, "nr", "a>b", 2), "psnr_y_db"] == 30.5
    with pytest.raises(derain.errors.UserError, match="has no tables"):
        derain.results(tmp_path / "tables")


def test_importing_the_package_loads_neither_torch_nor_snakemake_nor_charts():
    code = "import sys, derain; assert not {'torch', 'snakemake', 'altair', 'pandas'} & sys.modules.keys()"
    code += "; from derain import load, restore; assert not {'snakemake', 'altair', 'pandas'} & sys.modules.keys()"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(REPOSITORY / "scripts")}
    )


def test_a_loaded_network_has_the_parameters_of_its_file(network, theta):
    loaded = load(theta)
    assert not loaded.training
    for name, parameter in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], parameter)


def test_the_example_of_the_documents_works(network, theta, tmp_path, monkeypatch):
    text = (REPOSITORY / "docs/how-to/restore.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"(?ms)^```python\n(.*?)^```$", text)
    monkeypatch.chdir(tmp_path)
    shutil.copy(theta, "theta.safetensors")
    Image.fromarray(pixels(20, 30)).save("photograph.png")
    exec(example, {})
    np.testing.assert_array_equal(pixels_of(tmp_path / "restored.png"), whole(network, pixels(20, 30)))


def test_compare_writes_a_page_of_what_is_restored_now_and_before(photos, theta, tmp_path, capsys):
    """Photographs are upright on it, also where their EXIF is broken."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90°
    Image.fromarray(pixels(20, 30)).save(photos / "turned.jpg", exif=exif)
    Image.fromarray(pixels(22, 30)).save(photos / "torn.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    Image.fromarray(pixels(20, 30)).save(photos / "damaged.png")
    assert restore(photos / "damaged.png", "-o", tmp_path / "out", "-n", theta) == 0
    for name in ("broken.png", "damaged.png"):
        (photos / name).write_bytes(b"")
    capsys.readouterr()
    for _ in range(2):
        assert restore(photos, "-o", tmp_path / "out", "-n", theta, "--compare") == 1
        assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "out/compare/index.html")
        page = (tmp_path / "out/compare/index.html").read_text(encoding="utf-8")
        assert [name in page for name in ("a.png", "more/b.png", "c.jpg", "broken.png")] == [True, True, True, False]
        assert [name in page for name in ("turned.jpg", "torn.jpg", "damaged.png")] == [True, True, False]
        with Image.open(tmp_path / "out/compare/turned.jpg.jpg") as both:
            assert both.size == (2 * 20, 30)
        assert (tmp_path / "out/compare/more/b.png.jpg").is_file()


def test_pictures_of_a_comparison_and_restored_photographs_do_not_replace_each_other(photos, theta, tmp_path, capsys):
    first, second, third = tmp_path / "first", tmp_path / "second", tmp_path / "third"
    assert restore(photos / "a.png", "-o", first, "-n", theta, "--compare") == 0
    capsys.readouterr()
    assert restore(first, "-o", second, "-n", theta, "--compare") == 1
    out, err = capsys.readouterr()
    reason = "its output compare/a.png.jpg would be among the pictures of the comparison"
    assert err == f"error: {first}/compare/a.png.jpg: {reason}; restore its folder by itself, or rename it\n"
    assert out.startswith(f"1 photograph → {second}: 1 restored\n")
    assert restore(first, "-o", third, "-n", theta) == 0  # uncompared
    before = (third / "compare/a.png.jpg").read_bytes()
    capsys.readouterr()
    assert restore(photos / "a.png", "-o", third, "-n", theta, "--compare", "--overwrite") == 1
    reason = "is a photograph that an earlier call has restored, and would be among the pictures of the comparison"
    assert capsys.readouterr().err == (
        f"error: {third}/compare/a.png.jpg: {reason}; compare in another output folder\n"
    )
    assert (third / "compare/a.png.jpg").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "number"),
    [("2G", 2 * 10**9), ("1.5g", 15 * 10**8), ("500 MB", 5 * 10**8), ("2Gi", 2**31), ("3KiB", 3 * 2**10), ("7", 7)],
)
def test_numbers_of_bytes(text, number):
    assert bytes_of(text) == number


def test_outputs_of_photographs_that_are_gone_are_removed_unless_they_were_changed(photos, theta, tmp_path):
    Image.fromarray(pixels(20, 30)).save(photos / "changed.png")
    assert restore(photos, "-o", tmp_path / "out", "-n", theta) == 0
    (tmp_path / "out/own.png").write_bytes(b"x")
    (tmp_path / "out/changed.png").write_bytes(b"x")
    todo, _ = photographs([str(photos / "a.png")], tmp_path / "out", compare=False)
    assert {str(place) for place in remove_others(tmp_path / "out", todo)} == {"c.jpg", "more/b.png"}
    left = {file.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("*")}
    assert left == {"a.png", "own.png", "changed.png", RECORD}
    assert remove_others(tmp_path / "out", todo) == []
