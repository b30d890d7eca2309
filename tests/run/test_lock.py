import fcntl
import os
import signal
import subprocess
import sys
import threading

import pytest
from derain.errors import UserError
from derain.run.lock import RUN_ID_VARIABLE, lock, running
from places import REPOSITORY

HOLD = "import sys, pathlib, subprocess; from derain.run.lock import lock; held = lock(pathlib.Path(sys.argv[1]));"
WAIT = "print('locked', flush=True); sys.stdin.read()"
JOB = "job = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True);"


@pytest.fixture(autouse=True)
def _no_run_id(monkeypatch):
    monkeypatch.setenv(RUN_ID_VARIABLE, "")


@pytest.fixture
def folder(tmp_path):
    """Where the engine of a killed run left its lock."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/0.input.lock").write_text("results/x\n")
    return tmp_path


def holder(folder, *job):
    process = subprocess.Popen(
        [sys.executable, "-c", "".join([HOLD, *job, WAIT]), folder],
        cwd=REPOSITORY / "scripts",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"locked\n"
    return process


def test_the_second_run_names_the_first(tmp_path):
    first = holder(tmp_path)
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/0.input.lock").write_text("results/x\n")
    with pytest.raises(UserError, match=rf"runs in this folder already \(process {first.pid} on .+ since 20"):
        lock(tmp_path)
    assert list((tmp_path / "locks").iterdir())
    first.kill()
    first.wait()
    lock(tmp_path).close()


def test_the_running_process_is_seen_without_disturbing_it(tmp_path):
    assert running(tmp_path) is None
    first = holder(tmp_path)
    assert running(tmp_path).startswith(f"process {first.pid} on ")
    first.kill()
    first.wait()
    assert running(tmp_path) is None
    lock(tmp_path).close()


def test_a_run_begins_although_somebody_looks_at_that_moment(tmp_path):
    lock(tmp_path).close()
    with (tmp_path / "run").open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.05, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        lock(tmp_path).close()


def test_a_killed_run_is_reported_and_its_locks_are_removed(folder, capsys):
    killed = holder(folder)
    (folder / "locks").mkdir()
    (folder / "locks/1.output.lock").write_text("results/x\n")
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    capsys.readouterr()
    with lock(folder):
        assert not (folder / "locks").exists()
        assert f"process {killed.pid} on" in capsys.readouterr().err


def test_a_run_that_ended_is_not_reported(tmp_path, capsys):
    ended = holder(tmp_path)
    ended.communicate()
    lock(tmp_path).close()
    assert capsys.readouterr().err == ""


def test_jobs_that_outlived_their_run_are_named(tmp_path):
    killed = holder(tmp_path, JOB, "print_pid = job.pid;")
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/0.input.lock").write_text("results/x\n")
    killed.kill()
    killed.wait()
    with pytest.raises(UserError, match=r"left jobs that still work.*kill (\d+)$") as refused:
        lock(tmp_path)
    os.kill(int(str(refused.value).split()[-1]), signal.SIGKILL)
    assert list((tmp_path / "locks").iterdir())
