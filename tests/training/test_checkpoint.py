import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch
from derain.errors import UserError
from derain.training import interruption
from derain.training.checkpoint import Checkpoint, discard
from derain.training.interruption import stop_requests, working_time
from places import REPOSITORY

DECIDED_BY = {"seed": 0, "training": {"steps": 9}, "θ": [1.5, None]}
STATE = {
    "sums": {"a": torch.arange(3, dtype=torch.float64) / 7, "b": torch.tensor(True)},
    "optimizer": {"state": {0: {"step": torch.tensor(4.0)}}, "param_groups": [{"lr": 0.1 + 0.2, "betas": (0.9, 0.99)}]},
    "seconds": 1 / 3,
}


@pytest.fixture
def open_(tmp_path):
    """Checkpoints of one file, and the lines that they told."""
    told = []

    def opened(decided_by=DECIDED_BY, every=0.0, stop=lambda: None):
        return Checkpoint(str(tmp_path / "theta"), decided_by, every, stop, told.append)

    opened.told, opened.path = told, tmp_path / "theta.checkpoint"
    return opened


def _flat(value):
    if isinstance(value, torch.Tensor):
        return (value.dtype, value.tolist())
    if isinstance(value, dict):
        return {key: _flat(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_flat(inner) for inner in value]
    return value


def test_another_attempt_finds_what_was_written_last_bit_for_bit_with_its_history(open_):
    first = open_()
    assert (first.done, first.state, first.history) == (0, {}, [])
    first.history.append(["step", "θ"])
    first.write(1, {"seconds": 0.0})
    first.history.append(["4", "0.3"])
    first.write(4, STATE)
    first.history.append(["5", "lost"])
    second = open_()
    assert second.done == 4
    assert _flat(second.state) == _flat(STATE)
    assert second.history == [["step", "θ"], ["4", "0.3"]]
    assert open_.told == [f"{open_.path}: going on after step 4"]


def test_it_is_due_after_its_interval_and_each_step_without_one(open_, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    always, seldom = open_(), open_(every=60)
    assert always.due()
    assert not seldom.due()
    now[0] = 159.9
    assert not seldom.due()
    now[0] = 160.0
    assert seldom.due()
    seldom.write(3, {})
    assert not seldom.due()
    now[0] = 220.0
    assert seldom.due()


DAMAGE = {
    "empty": lambda content: b"",
    "cut": lambda content: content[:-1],
    "longer": lambda content: content + b"\0",
    "a bit of the state": lambda content: content[:-400] + bytes([content[-400] ^ 1]) + content[-399:],
    "no state": lambda content: content.partition(b"\n")[0],
    "no head": lambda content: content.partition(b"\n")[2],
    "not JSON": lambda content: b"{" + content,
    "another JSON": lambda content: b"[]\n" + content,
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_file_is_set_aside_in_one_line_and_the_job_starts_over(how, open_):
    open_().write(4, STATE)
    content = DAMAGE[how](open_.path.read_bytes())
    assert content != open_.path.read_bytes()
    open_.path.write_bytes(content)
    again = open_()
    assert (again.done, again.state, again.history) == (0, {}, [])
    aside = open_.path.with_name("theta.checkpoint.set-aside")
    assert open_.told == [f"{open_.path}: is damaged; set aside as {aside.name}, starting over"]
    assert aside.read_bytes() == content
    assert not open_.path.exists()


@pytest.mark.parametrize("other", [{**DECIDED_BY, "seed": 1}, {**DECIDED_BY, "θ": [1.5]}, {}])
def test_the_state_of_another_recipe_is_set_aside_in_one_line(other, open_):
    open_(other).write(4, STATE)
    assert open_().done == 0
    (line,) = open_.told
    assert "is of another configuration, data or version; set aside as theta.checkpoint.set-aside" in line
    assert not open_.path.exists()


def test_the_order_of_keys_makes_no_other_recipe(open_):
    open_().write(4, STATE)
    assert open_(dict(reversed(DECIDED_BY.items()))).done == 4


def test_no_code_in_a_file_is_run(open_, tmp_path):
    """A state whose pickle makes a directory when it is read, under a digest that fits."""

    class Harmful:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "run"),)

    open_().write(4, {"harm": Harmful()})
    assert open_().done == 0
    assert "damaged" in open_.told[0]
    assert not (tmp_path / "run").exists()


class Huge:
    """A pickle of a few bytes that asks for 10 GB, of what torch.load admits."""

    def __reduce__(self):
        return bytearray, (10**10,)


def _packed(content):
    """Parts that take a thousand times their bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as other:
        for part in archive.infolist():
            other.writestr(part.filename, archive.read(part))
    return packed.getvalue()


@pytest.mark.parametrize("how", ["calls", "packed", "types"])
def test_a_state_takes_no_more_memory_than_its_bytes_and_has_the_types_that_were_written(how, open_, monkeypatch):
    state, done = {"calls": {"sum": Huge()}, "packed": {"sum": torch.zeros(10**5)}, "types": {}}[how], 4
    open_().write("4" if how == "types" else done, state)
    head, _, content = open_.path.read_bytes().partition(b"\n")
    if how == "packed":
        content = _packed(content)
        head = json.dumps(json.loads(head) | {"sha256": hashlib.sha256(content).hexdigest()}).encode()
        open_.path.write_bytes(head + b"\n" + content)
    if how != "types":
        monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("is loaded"))
    assert open_().done == 0
    assert "is damaged" in open_.told[0]


def test_what_is_no_regular_file_is_told_in_one_line_and_waits_for_nobody(open_):
    for make in (os.mkfifo, lambda path: os.symlink("/dev/zero", path)):
        make(open_.path)
        with pytest.raises(UserError, match=r"theta\.checkpoint: is no regular file; delete it and run again"):
            open_()
        open_.path.unlink()


def test_a_job_that_is_told_to_stop_writes_at_its_next_step_and_ends_in_one_line(open_):
    reasons = iter([None, "SIGTERM"])
    checkpoint = open_(every=1000, stop=lambda: next(reasons))
    assert not checkpoint.due()
    assert checkpoint.due()
    with pytest.raises(UserError) as stopped:
        checkpoint.write(7, STATE)
    theta = open_.path.with_suffix("")
    assert str(stopped.value) == f"{theta}: stopped after step 7 (SIGTERM); the next attempt goes on there"
    assert open_().done == 7


def test_who_takes_an_output_deletes_its_checkpoint_what_was_set_aside_and_nothing_else(open_, tmp_path):
    for decided_by in ({}, DECIDED_BY):
        open_(decided_by).write(1, STATE)
    (tmp_path / "theta").touch()
    (tmp_path / "omega.checkpoint").touch()
    assert len(os.listdir(tmp_path)) == 4
    discard([str(tmp_path / "theta"), str(tmp_path / "missing")])
    assert sorted(os.listdir(tmp_path)) == ["omega.checkpoint", "theta"]


# --- when a job has to end


def test_a_limit_leaves_a_margin_of_a_quarter_or_three_minutes():
    assert working_time(1) == 45
    assert working_time(12) == 9 * 60
    assert working_time(600) == 597 * 60


def test_the_limit_counts_from_the_start_of_the_process(monkeypatch):
    ticks = float(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])  # field 22: start since boot
    age = lambda: time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")  # noqa: E731
    before, found, after = age(), interruption.process_age(), age()
    assert before - 1.5 < found < after + 1.5  # the system tells its own start in seconds
    for seconds, expected in ((44, None), (46, "before its resources.runtime of 1 min is over")):
        monkeypatch.setattr(interruption, "process_age", lambda age=seconds: age)
        with stop_requests(1) as why:
            assert why() == expected
        with stop_requests(None) as why:
            assert why() is None


@pytest.mark.parametrize("number", interruption.SIGNALS)
def test_a_signal_is_a_reason_the_first_time_ends_the_process_the_second_and_counts_no_longer_afterwards(number):
    program = """if True:
        import os, signal, sys
        from derain.training.interruption import stop_requests
        number = int(sys.argv[1])
        signal.signal(number, signal.SIG_DFL)
        with stop_requests(None) as why:
            assert why() is None
            os.kill(os.getpid(), number)
            print(why(), flush=True)
            if sys.argv[2] == "inside":
                os.kill(os.getpid(), number)
            print("left", flush=True)
        os.kill(os.getpid(), number)
        print("not reached")
    """
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "scripts")}
    for where, told in (("inside", [number.name]), ("after", [number.name, "left"])):
        command = [sys.executable, "-c", program, str(int(number)), where]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert ended.stdout.split() == told, ended.stderr
        assert ended.returncode == -number


def test_processes_that_work_for_a_job_leave_signals_to_it(tmp_path):
    before = {number: signal.getsignal(number) for number in interruption.SIGNALS}
    try:
        interruption.leave_signals_to_the_parent(0)
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
