import errno
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from derain import machine
from derain.errors import UserError
from derain.files import tensors
from derain.files.digest import file_digest
from derain.files.metadata import recipe_digest
from derain.files.origin import origin_of
from derain.files.stagestore import put, record_finished, refused, store_finished, take
from places import REPOSITORY

MADE = {"folder": "/somewhere", "host": "here", "date": "2026-01-01 00:00:00"}
RECIPE = {"seed": 0, "code": {"first": "abc"}}
THETA, TABLE = "theta.safetensors", "training.csv"
AGAIN = "run again to train instead"


@pytest.fixture
def parent(tmp_path):
    """A file that θ descends from."""
    tensors.write(tmp_path / "parent.safetensors", {"w": np.zeros(3)}, {})
    return tmp_path / "parent.safetensors"


@pytest.fixture
def files(tmp_path, parent):
    """θ and its table, as a job leaves them."""
    (tmp_path / "made").mkdir()
    files = {name: str(tmp_path / "made" / name) for name in (THETA, TABLE)}
    _theta(files[THETA], parent)
    Path(files[TABLE]).write_bytes(b"step\n1\n")
    return files


def _theta(file, parent, recipe=RECIPE, value=1.0):
    tensors.write(file, {"w": np.full(1000, value)}, recipe | {"parents": {"theta": file_digest(parent)}})


@pytest.fixture
def wanted(tmp_path):
    (tmp_path / "wanted").mkdir()
    return {name: str(tmp_path / "wanted" / name) for name in (THETA, TABLE)}


@pytest.fixture
def entry(tmp_path, files):
    """What `put` leaves."""
    stored = tmp_path / "store/ab/abc"
    put(stored, files, MADE, str(tmp_path / "log"))
    return stored


def _content(files):
    return [Path(file).read_bytes() for file in files.values()]


def _take(entry, wanted, parent):
    return take(entry, wanted, {wanted[THETA]: (recipe_digest(RECIPE),)}, [str(parent)], tensors.finite)


def _replace(entry, name, content):
    """Another file in an entry, with a digest and a size that fit."""
    (entry / name).write_bytes(content)
    told = json.loads((entry / "contents.json").read_text())
    told["files"][name], told["sizes"][name] = hashlib.sha256(content).hexdigest(), len(content)
    (entry / "contents.json").write_text(json.dumps(told))


def test_what_is_taken_is_what_was_put_and_tells_where_it_comes_from(entry, files, wanted, parent, tmp_path):
    assert (tmp_path / "log").read_text() == f"stored as {entry}\n"
    assert _take(entry, wanted, parent) == MADE | {"taken_from": str(entry)}
    assert _content(wanted) == _content(files)
    assert sorted(path.name for path in entry.parent.iterdir()) == ["abc"]
    told = json.loads((entry / "contents.json").read_text())
    assert told["files"][TABLE] == hashlib.sha256(b"step\n1\n").hexdigest()


def _a_pipe(entry):
    (entry / THETA).unlink()
    os.mkfifo(entry / THETA)


def _a_link(entry):
    (entry / THETA).rename(entry / "elsewhere")
    (entry / THETA).symlink_to(entry / "elsewhere")


def _of(**change):
    """θ that is whole, but not the one that was planned."""

    def replace(entry):
        _theta(entry / "other", entry.parents[2] / "parent.safetensors", **change)
        _replace(entry, THETA, (entry / "other").read_bytes())

    return replace


def _other_contents(content):
    return lambda entry: (entry / "contents.json").write_text(content)


DAMAGE = {
    "byte": lambda entry: (entry / TABLE).write_bytes(b"step\n2\n"),
    "short": lambda entry: (entry / TABLE).write_bytes(b"step\n1"),
    "missing": lambda entry: (entry / TABLE).unlink(),
    "pipe": _a_pipe,
    "link": _a_link,
    "no JSON": _other_contents("{"),
    "a list": _other_contents("[]"),
    "no maker": _other_contents('{"files": {}, "sizes": {}, "made": {}}'),
    "no tensors": lambda entry: _replace(entry, THETA, b"theta"),
    "other recipe": _of(recipe=RECIPE | {"seed": 1}),
    "NaN": _of(value=np.nan),
    "infinite": _of(value=np.inf),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_set_aside_and_nothing_of_it_is_taken(damage, entry, files, wanted, parent, tmp_path):
    DAMAGE[damage](entry)
    with pytest.raises(UserError, match=rf"is damaged and was renamed to abc\.damaged-\w+ \(.+\); {AGAIN}$"):
        _take(entry, wanted, parent)
    assert not any(Path(file).exists() for file in wanted.values())
    assert not entry.exists()
    put(entry, files, MADE, str(tmp_path / "log"))
    _take(entry, wanted, parent)


def test_one_bad_reading_condemns_nothing(entry, files, wanted, parent, monkeypatch):
    told = iter(["other"])
    sha256 = hashlib.sha256

    def first_time_other(content=b"", **more):
        return sha256(content + next(told, "").encode(), **more)

    monkeypatch.setattr("derain.files.stagestore.hashlib", SimpleNamespace(sha256=first_time_other))
    _take(entry, wanted, parent)
    assert next(told, None) is None
    assert _content(wanted) == _content(files)


def test_a_full_disk_where_it_is_wanted_is_no_fault_of_the_entry(entry, wanted, parent, monkeypatch):
    def full(path, *chunks):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("derain.files.stagestore.write_whole", full)
    with pytest.raises(OSError, match="No space left") as failed:
        _take(entry, wanted, parent)
    assert failed.value.filename == wanted[THETA]
    assert entry.exists()
    assert not refused(entry, wanted[THETA])


def _cannot(*_):
    raise PermissionError(errno.EACCES, "Permission denied")


def test_what_cannot_be_read_is_left_and_the_next_run_is_told(entry, wanted, parent, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("derain.files.stagestore._sound", _cannot)
        with pytest.raises(UserError, match=rf"abc: cannot be read \(Permission denied\); {AGAIN}$"):
            _take(entry, wanted, parent)
    assert entry.exists()
    assert refused(entry, wanted[THETA])


def test_what_cannot_be_set_aside_is_told_to_the_next_run_until_another_takes_its_place(
    entry, files, wanted, parent, tmp_path, monkeypatch
):
    DAMAGE["byte"](entry)
    assert not refused(entry, wanted[THETA])
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", _cannot)
        with pytest.raises(UserError, match=rf"abc: is damaged \(training\.csv is not what was stored\); {AGAIN}$"):
            _take(entry, wanted, parent)
    assert refused(entry, wanted[THETA])
    shutil.rmtree(entry)
    put(entry, files, MADE | {"host": "another"}, str(tmp_path / "log"))
    assert not refused(entry, wanted[THETA])


def test_what_descends_from_other_files_is_sound_and_not_taken(entry, wanted, tmp_path):
    tensors.write(tmp_path / "here.safetensors", {"w": np.ones(3)}, {})
    with pytest.raises(UserError, match=f"abc: descends from other files than those here; {AGAIN}"):
        _take(entry, wanted, tmp_path / "here.safetensors")
    assert entry.exists()
    assert refused(entry, wanted[THETA])


def test_an_entry_that_went_meanwhile_is_told(wanted, parent, tmp_path):
    with pytest.raises(UserError, match=f"store/ab/abc: is gone; {AGAIN}"):
        _take(tmp_path / "store/ab/abc", wanted, parent)


def test_what_an_entry_tells_of_its_maker_is_plain_text_on_one_line(entry, wanted, parent):
    told = json.loads((entry / "contents.json").read_text())
    told["made"] |= {"host": "\x1b[31mred\n", "more": ["x"]}
    (entry / "contents.json").write_text(json.dumps(told))
    assert _take(entry, wanted, parent) == MADE | {"host": r"\x1b[31mred\n", "taken_from": str(entry)}


def test_of_many_that_put_the_same_stage_one_wins_and_nothing_else_stays(files, wanted, parent, tmp_path):
    entry, log = tmp_path / "store/ab/abc", str(tmp_path / "log")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: put(entry, files, MADE | {"host": str(n)}, log), range(40)))
    assert (tmp_path / "log").read_text() == f"stored as {entry}\n" * 40
    assert [path.name for path in entry.parent.iterdir()] == ["abc"]
    first = _take(entry, wanted, parent)["host"]
    put(entry, files, MADE | {"host": "late"}, log)
    assert _take(entry, wanted, parent)["host"] == first


@pytest.mark.parametrize("made", [True, False])
def test_the_record_of_a_refusal_goes_with_the_stage_that_is_there_at_last(
    made, entry, files, wanted, parent, tmp_path
):
    """Made here, or taken from an entry that another run has put."""
    DAMAGE["byte"](entry)
    with pytest.raises(UserError, match="is damaged"):
        _take(entry, wanted, parent)
    assert os.listdir(tmp_path / "wanted") == ["theta.safetensors.not-taken"]
    if made:
        for name, file in wanted.items():
            shutil.copy(files[name], file)
        record_finished(wanted.values())
    else:
        put(entry, files, MADE, str(tmp_path / "log"))
        _take(entry, wanted, parent)
    assert set(os.listdir(tmp_path / "wanted")) - {"origin.json"} == set(wanted)


def test_a_damaged_entry_gives_way_to_a_sound_one(entry, files, wanted, parent, tmp_path):
    DAMAGE["short"](entry)
    put(entry, files, MADE | {"host": "another"}, str(tmp_path / "log"))
    assert _take(entry, wanted, parent)["host"] == "another"
    assert len(list(entry.parent.glob("abc.damaged-*"))) == 1


def test_a_stage_tells_the_processor_and_the_instruction_set_of_the_process_that_made_it(files, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(
        "processor\t: 0\nmodel name\t: Some CPU @ 3 GHz \nprocessor\t: 1\nmodel name\t: x\n"
    )
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    before = _content(files)
    record_finished(files.values())
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


def test_a_store_that_cannot_take_a_stage_fails_nothing_and_says_so(files, tmp_path, capsys):
    (tmp_path / "store").write_text("no folder")
    log = tmp_path / "log"
    store_finished(str(tmp_path / "store/ab/abc"), files.values(), record_finished(files.values()), str(log))
    assert f"{tmp_path}/store/ab/abc: not stored (" in log.read_text()
    assert capsys.readouterr().err == log.read_text()
    assert json.loads((tmp_path / "made/origin.json").read_text())["folder"] == str(tmp_path / "made")


def test_where_theta_comes_from_is_not_told_of_another_theta(files, parent, tmp_path):
    record_finished(files.values())
    assert origin_of(files[THETA])["folder"] == str(tmp_path / "made")
    _theta(files[THETA], parent, value=2.0)
    assert origin_of(files[THETA]) is None


@pytest.mark.parametrize("content", [None, "", "[]", '{"host": "here"}', '{"host": 1, "folder": [], "date": null}'])
def test_where_theta_comes_from_is_not_known_without_a_sound_file(content, files, tmp_path):
    if content is not None:
        (tmp_path / "made/origin.json").write_text(content)
    assert origin_of(files[THETA]) is None
