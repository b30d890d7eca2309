import fcntl
import os
import signal
import subprocess
import sys
import threading

import pytest
from derain.errors import UserError
from derain.run.left_jobs import RUN_ID_VARIABLE
from derain.run.lock import lock, running
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


def test_a_damaged_file_of_the_lock_is_no_run(tmp_path):
    for content in (b"", b"\xff\x00\n" * 9, b"x" * 10**6):
        (tmp_path / "run").write_bytes(content)
        assert running(tmp_path) is None
        lock(tmp_path).close()
        assert (tmp_path / "run").read_text(encoding="utf-8").startswith("process ")


def test_what_is_no_regular_file_is_named_and_what_a_link_leads_to_is_not_emptied(tmp_path):
    (tmp_path / "precious").write_text("x")
    for make in (os.mkfifo, os.mkdir, lambda path: os.symlink("precious", path), lambda path: os.symlink("no", path)):
        make(tmp_path / "run")
        running(tmp_path)
        with pytest.raises(UserError, match="run: is no regular file; delete it and run again"):
            lock(tmp_path)
        if (tmp_path / "run").is_dir():
            (tmp_path / "run").rmdir()
        else:
            (tmp_path / "run").unlink()
    assert (tmp_path / "precious").read_text() == "x"


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


@pytest.mark.slow
def test_jobs_that_outlived_their_run_are_named(tmp_path):
    killed = holder(tmp_path, JOB, "print_pid = job.pid;")
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/0.input.lock").write_text("results/x\n")
    killed.kill()
    killed.wait()
    with pytest.raises(UserError, match=r"left running jobs.*kill (\d+)$") as refused:
        lock(tmp_path)
    os.kill(int(str(refused.value).split()[-1]), signal.SIGKILL)
    assert list((tmp_path / "locks").iterdir())


def _slurm(folder, monkeypatch, script):
    """A run that submitted to Slurm, and a squeue that is a shell script."""
    (folder / "log").mkdir(exist_ok=True)
    (folder / "log/1.snakemake.log").write_text("Building DAG of jobs...\nSLURM run ID: one-two\n", encoding="utf-8")
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin/squeue").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / "bin/squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")


def test_jobs_that_an_earlier_run_left_in_slurm_stop_the_next_run(tmp_path, monkeypatch):
    _slurm(tmp_path, monkeypatch, 'case "$*" in *--name=one-two) echo 12; echo 13;; esac')
    with pytest.raises(UserError, match=r"left jobs in the queue of Slurm; wait for them or end them: scancel 12 13$"):
        lock(tmp_path)
    (tmp_path / "log/1.snakemake.log").unlink()
    lock(tmp_path).close()


def test_where_slurm_does_not_answer_only_a_run_after_a_killed_one_stops(folder, monkeypatch):
    _slurm(folder, monkeypatch, "echo no controller >&2; exit 1")
    with pytest.raises(UserError, match=r"squeue fails, .* try again later \(no controller\)$"):
        lock(folder)
    (folder / "locks/0.input.lock").unlink()
    lock(folder).close()
