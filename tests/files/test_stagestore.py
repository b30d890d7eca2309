import hashlib
import json
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from derain import machine
from derain.errors import UserError
from derain.files.stagestore import put, share, take
from places import REPOSITORY

MADE = {"folder": "/somewhere", "host": "here", "date": "2026-01-01 00:00:00"}


@pytest.fixture
def files(tmp_path):
    """θ and its table, as a job leaves them."""
    (tmp_path / "made").mkdir()
    made = {"theta.safetensors": b"theta" * 1000, "training.csv": b"step\n1\n"}
    for name, content in made.items():
        (tmp_path / "made" / name).write_bytes(content)
    return {name: str(tmp_path / "made" / name) for name in made}


@pytest.fixture
def wanted(tmp_path):
    (tmp_path / "wanted").mkdir()
    return {name: str(tmp_path / "wanted" / name) for name in ("theta.safetensors", "training.csv")}


def _content(files):
    return [Path(file).read_bytes() for file in files.values()]


def test_what_is_taken_is_what_was_put_and_tells_where_it_comes_from(files, wanted, tmp_path):
    entry = tmp_path / "store/ab/abc"
    assert put(entry, files, MADE) == f"stored as {entry}"
    assert take(entry, wanted) == MADE | {"taken_from": str(entry)}
    assert _content(wanted) == _content(files)
    assert sorted(path.name for path in entry.parent.iterdir()) == ["abc"]
    told = json.loads((entry / "contents.json").read_text())
    assert told["files"]["training.csv"] == hashlib.sha256(b"step\n1\n").hexdigest()


@pytest.mark.parametrize("damage", ["byte", "short", "missing", "contents"])
def test_a_damaged_entry_is_set_aside_and_nothing_of_it_is_taken(damage, files, wanted, tmp_path):
    entry = tmp_path / "store/ab/abc"
    put(entry, files, MADE)
    table = entry / "training.csv"
    if damage == "byte":
        table.write_bytes(b"step\n2\n")
    elif damage == "short":
        table.write_bytes(b"step\n1")
    elif damage == "missing":
        table.unlink()
    else:
        (entry / "contents.json").write_text("{")
    with pytest.raises(UserError, match=r"is damaged, and now called abc\.damaged-.*run again to train instead"):
        take(entry, wanted)
    assert not any(Path(file).exists() for file in wanted.values())
    assert not entry.exists()
    assert put(entry, files, MADE) == f"stored as {entry}"


def test_an_entry_that_went_meanwhile_is_told(wanted, tmp_path):
    with pytest.raises(UserError, match=r"store/ab/abc: is gone .*run again to train instead"):
        take(tmp_path / "store/ab/abc", wanted)


def test_of_many_that_put_the_same_stage_one_wins_and_nothing_else_stays(files, wanted, tmp_path):
    entry = tmp_path / "store/ab/abc"
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda n: put(entry, files, MADE | {"host": str(n)}), range(40)))
    assert sum(line.startswith("stored as") for line in told) == 1
    assert sum(line.endswith("is there already") for line in told) == 39
    assert [path.name for path in entry.parent.iterdir()] == ["abc"]
    winner = next(str(n) for n, line in enumerate(told) if line.startswith("stored as"))
    assert take(entry, wanted)["host"] == winner


def test_a_stage_tells_the_processor_and_the_instruction_set_of_the_process_that_made_it(files, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(
        "processor\t: 0\nmodel name\t: Some CPU @ 3 GHz \nprocessor\t: 1\nmodel name\t: x\n"
    )
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    before = _content(files)
    share("", files.values(), str(tmp_path / "log"))
    told = json.loads((tmp_path / "made/origin.json").read_text())
    used = torch.backends.cpu.get_cpu_capability()
    assert (told["processor"], told["instruction_set"].partition(",")[0]) == ("Some CPU @ 3 GHz", used)
    assert _content(files) == before


def test_limits_of_the_instruction_set_are_told():
    code = "from derain.machine import instruction_set; print(instruction_set())"
    limits = {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "PYTHONPATH": str(REPOSITORY / "scripts"),
    }
    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | limits, capture_output=True, text=True, check=True
    )
    assert run.stdout == "DEFAULT, oneDNN at most SSE41\n"


def test_a_system_without_cpuinfo_names_its_processor_otherwise(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "missing")
    assert machine.processor() in (platform.processor(), platform.machine())


def test_a_store_that_cannot_take_a_stage_fails_nothing(files, tmp_path):
    (tmp_path / "store").write_text("no folder")
    log = tmp_path / "log"
    share(str(tmp_path / "store/ab/abc"), files.values(), str(log))
    assert "not stored" in log.read_text()
    assert json.loads((tmp_path / "made/origin.json").read_text())["folder"] == str(tmp_path / "made")
