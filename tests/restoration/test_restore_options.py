"""Options of `derain restore`: device, threads, numbers of bytes."""

import pytest
import torch
from derain.commands.restore import device_of
from derain.config.values import bytes_of
from derain.errors import UserError
from restorations import restore


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


@pytest.mark.parametrize(
    ("text", "number"),
    [("2G", 2 * 10**9), ("1.5g", 15 * 10**8), ("500 MB", 5 * 10**8), ("2Gi", 2**31), ("3KiB", 3 * 2**10), ("7", 7)],
)
def test_numbers_of_bytes(text, number):
    assert bytes_of(text) == number


def test_what_is_no_number_of_bytes_is_refused(theta, tmp_path, capsys):
    assert restore(tmp_path, "-o", tmp_path / "out", "-n", theta, "--memory", "2 apples") == 2
    told = capsys.readouterr().err
    assert told.endswith("error: argument --memory: '2 apples' is no number of bytes, such as 2G or 500M\n")
