"""Killed, told to end, out of space: whatever stops a run, the next one goes on to the same bytes."""

import copy
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from commandline import arguments, environment, progress, snakemake
from places import REPOSITORY
from tiny_experiment import EXPERIMENT
from waiting import until

STAGE = "results/stages/net/seed0/first/mild"
THETA, CHECKPOINT = f"{STAGE}/theta.safetensors", f"{STAGE}/theta.safetensors.checkpoint"


def with_changes(steps, channels=4, **training):
    """EXPERIMENT with a longer training, or a larger network."""
    config = copy.deepcopy(EXPERIMENT)
    config["networks"]["net"]["channels"] = channels
    config["training"] |= {"steps": steps, "log_every": 1, "validate_every": 1000, **training}
    return config


@pytest.mark.slow
def test_whatever_a_kill_hits_the_run_goes_on_to_the_same_bytes(tmp_path):
    """The short form of benchmarks/faults/kill.py, up to a second stage."""
    command = [sys.executable, REPOSITORY / "benchmarks/faults/kill.py", "--folder", tmp_path / "runs"]
    command += ["--kills", "4", "--kinds", "checkpoint,weights,importance_shard,next"]
    command += ["--target", "results/stages/net/seed0/held/mild/heavy/theta.safetensors"]
    told = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=900)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "as undisturbed" in told.stdout


def _start(directory, config, *more):
    command = [sys.executable, "-m", "snakemake", *arguments(directory, config), *more]
    with (directory / "output.txt").open("wb") as output:
        return subprocess.Popen(
            command, cwd=directory, env=environment(directory), stdout=output, stderr=output, start_new_session=True
        )


def _wait_for(pattern, file, run):
    """The match, once a file has it."""

    def match():
        ended = run.poll() is not None
        found = re.search(pattern, file.read_text(encoding="utf-8")) if file.exists() else None
        assert found or not ended, f"ended before {pattern!r}"
        return found

    return until(match, f"{pattern!r} in {file}")


def _script_of(group):
    """The process that runs an entry script, of a process group."""
    for at in Path("/proc").glob("[0-9]*"):
        try:
            words = (at / "cmdline").read_bytes().decode().split("\0")
            if os.getpgid(int(at.name)) == group and ".snakemake/scripts/" in words[1] and "python" in words[0]:
                return int(at.name)
        except (OSError, IndexError):
            continue
    raise AssertionError("no entry script runs")


@pytest.mark.slow
def test_a_training_that_is_told_to_end_writes_a_checkpoint_and_the_retry_or_the_next_run_goes_on_there(tmp_path):
    """SIGTERM to the job, as a cluster sends it; then SIGINT to the whole group, as Ctrl-C does."""
    config = with_changes(steps=300, checkpoint_every=1000)
    whole = snakemake(tmp_path / "whole", config, THETA)
    assert whole.returncode == 0, whole.stderr

    cut = tmp_path / "cut"
    cut.mkdir()
    run = _start(cut, config, "--retries", "1", "--", THETA)
    log, output = cut / "results/logs/stages/net/seed0/first/mild/train.log", cut / "output.txt"
    _wait_for(r"step 20/", log, run)
    job = _script_of(run.pid)
    os.kill(job, signal.SIGSTOP)
    at_work, counted, *_, line = progress(cut, config, THETA)
    os.kill(job, signal.SIGCONT)
    assert at_work.startswith(f"at work: process {run.pid} on ")
    assert re.match(r"2 jobs: 1 done, 1 running; trainings: about \d:\d\d:\d\d left", counted)
    assert re.fullmatch(r"running +first +stages/net/seed0/first/mild  step \d+ of 300, \d:\d\d:\d\d left", line)
    os.kill(job, signal.SIGTERM)
    stopped = int(_wait_for(rf"(?m)^error: {THETA}: stopped after step (\d+) \(SIGTERM\)", output, run)[1])
    assert 20 <= stopped < 300
    _wait_for(rf"going on after step {stopped}\n", log, run)
    _wait_for(rf"step {stopped + 20}/", log, run)
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(timeout=300) != 0
    text = output.read_text(encoding="utf-8")
    assert int(re.search(r"stopped after step (\d+) \(SIGINT\)", text)[1]) >= stopped + 20
    assert "Traceback" not in text
    assert (cut / CHECKPOINT).exists()
    assert not (cut / THETA).exists()

    again = snakemake(cut, config, THETA)
    assert again.returncode == 0, again.stderr
    assert (cut / THETA).read_bytes() == (tmp_path / "whole" / THETA).read_bytes()


@pytest.mark.slow
def test_a_training_in_two_processes_that_loses_one_ends_and_the_retry_and_then_one_process_go_on_to_the_same_bytes(
    tmp_path,
):
    """SIGKILL to the second process; then SIGTERM to the job; then the whole again with another number of processes."""
    # A checkpoint each step, so that there is one on a machine of any speed.
    alone = with_changes(steps=300, checkpoint_every=0, parts=2)
    shared = with_changes(steps=300, checkpoint_every=0, parts=2, devices=2)
    whole = snakemake(tmp_path / "whole", alone, THETA)
    assert whole.returncode == 0, whole.stderr

    cut = tmp_path / "cut"
    cut.mkdir()
    run = _start(cut, shared, "--retries", "1", "--", THETA)
    log, output = cut / "results/logs/stages/net/seed0/first/mild/train.log", cut / "output.txt"
    _wait_for(r"step 40/", log, run)
    first = psutil.Process(_script_of(run.pid))
    (second,) = first.children()
    second.kill()
    _wait_for("(?m)^error: process 2 of 2 was ended by SIGKILL; the next attempt goes on at the last", output, run)
    resumed = int(_wait_for(r"going on after step (\d+)\n", log, run)[1])
    assert resumed > 0
    assert not first.is_running()
    _wait_for(rf"step {resumed + 20}/", log, run)
    again = psutil.Process(_script_of(run.pid))
    (helper,) = again.children()
    again.terminate()
    assert run.wait(timeout=300) != 0
    text = output.read_text(encoding="utf-8")
    assert int(re.search(rf"(?m)^error: {THETA}: stopped after step (\d+) \(SIGTERM\)", text)[1]) >= resumed + 20
    assert "Traceback" not in text
    assert not helper.is_running()

    end = snakemake(cut, alone, THETA)
    assert end.returncode == 0, end.stderr
    assert "going on after step" in log.read_text(encoding="utf-8")
    assert (cut / THETA).read_bytes() == (tmp_path / "whole" / THETA).read_bytes()


LARGE = with_changes(steps=60, channels=64, checkpoint_every=0.5)


@pytest.fixture(scope="module")
def large_theta(tmp_path_factory):
    """θ of 1.5 MB of a run that nothing disturbed; a checkpoint takes three times that."""
    directory = tmp_path_factory.mktemp("large")
    assert snakemake(directory, LARGE, THETA).returncode == 0
    theta = (directory / THETA).read_bytes()
    assert len(theta) > 1_000_000
    return theta


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def _fill(disk, leave):
    """Take all space but `leave` bytes; the file that took it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(0, file.tell() - leave))
    return filler


@pytest.mark.slow
@pytest.mark.parametrize("leave", [1_000_000, 0])
def test_a_disk_that_fills_up_leaves_no_half_file_and_after_freeing_space_the_run_goes_on(
    leave, small_disk, large_theta
):
    """Where there is no room for θ, the engine still has some for its own notes, or has none."""
    cut = small_disk / "cut"
    assert snakemake(cut, LARGE, "results/datasets/mild/training/pairs.csv").returncode == 0
    run = _start(cut, LARGE, "--", THETA)
    log, output = cut / "results/logs/stages/net/seed0/first/mild/train.log", cut / "output.txt"
    _wait_for(r"step 3/", log, run)
    filler = _fill(small_disk, leave)
    assert run.wait(timeout=300) != 0
    filler.unlink()
    if leave:
        lines = [line for line in output.read_text(encoding="utf-8").splitlines() if line.startswith("error: ")]
        assert len(lines) == 1
        assert re.search(r"theta\.safetensors(\.checkpoint)?: the disk is full \(No space left on device\)", lines[0])
        assert "Traceback" not in output.read_text(encoding="utf-8")
    assert not (cut / THETA).exists()
    assert not list(cut.glob("results/**/*.partial"))

    again = snakemake(cut, LARGE, THETA)
    assert again.returncode == 0, again.stderr
    assert (cut / THETA).read_bytes() == large_theta
