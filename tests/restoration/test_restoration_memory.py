"""The limit of memory: tiles that stay within it, and what is freed."""

import re
from types import SimpleNamespace

import psutil
import pytest
import torch
from derain.errors import UserError
from derain.evaluation.tiles import Field, sensible_side
from derain.networks import build
from derain.restoration import files
from derain.restoration import memory as limits
from PIL import Image
from restorations import pixels, restore


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


def test_freed_memory_is_returned_before_each_photograph_of_another_size(theta, tmp_path, monkeypatch):
    """Free blocks of one size beside those of the next add up: 52 photographs of many sizes held 4.7 GB of 2."""
    for n, size in enumerate(((8, 9), (8, 9), (9, 8), (9, 8), (8, 9))):
        Image.fromarray(pixels(*size)).save(tmp_path / f"{n}.png")
    returned = []
    monkeypatch.setattr(files, "return_freed_memory", lambda: returned.append(None))
    assert restore(*sorted(tmp_path.glob("*.png")), "-o", tmp_path / "out", "-n", theta) == 0
    assert len(returned) == 3
