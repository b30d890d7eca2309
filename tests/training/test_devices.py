import signal
import subprocess
import sys
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from commandline import environment
from derain.errors import UserError
from derain.training import devices, network
from derain.training.devices import devices_of, take, visible
from places import REPOSITORY

# A job that takes devices of a folder of locks, says which, and keeps them until its input ends.
JOB = (
    "import sys; from pathlib import Path; from derain.training.devices import take;"
    "print(*take(sys.argv[3:], int(sys.argv[1]), Path(sys.argv[2])), flush=True); sys.stdin.read()"
)


def job(folder, names, count=1):
    return subprocess.Popen(
        [sys.executable, "-c", JOB, str(count), folder, *names],
        cwd=REPOSITORY / "scripts",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def taken(process):
    return [int(number) for number in process.stdout.readline().split()]


def test_no_two_jobs_have_one_device_and_a_killed_one_gives_its_own_back(tmp_path):
    jobs = [job(tmp_path, "ab") for _ in range(2)]
    first, second = (taken(each) for each in jobs)
    assert sorted(first + second) == [0, 1]
    waiting = job(tmp_path, "ab")
    assert "waiting: all devices (a, b) are taken; with --resources gpu=2" in waiting.stderr.readline()
    assert waiting.poll() is None
    jobs[1].send_signal(signal.SIGKILL)
    assert taken(waiting) == second
    for each in (jobs[0], waiting):
        each.communicate()


def test_a_job_of_several_devices_keeps_none_while_it_waits(tmp_path):
    one = job(tmp_path, "abc")
    assert taken(one) == [0]
    three = job(tmp_path, "abc", 3)
    assert "waiting" in three.stderr.readline()
    two = job(tmp_path, "abc", 2)
    assert taken(two) == [1, 2]
    one.communicate()
    assert three.poll() is None
    two.communicate()
    assert taken(three) == [0, 1, 2]
    three.communicate()


def test_more_devices_than_there_are_is_an_error(tmp_path):
    with pytest.raises(UserError, match="needs 3 devices, and there are 2"):
        take(["a", "b"], 3, tmp_path)


def test_devices_are_known_by_what_the_machine_calls_them():
    assert visible(2, {}) == ["0", "1"]
    assert visible(2, {"CUDA_VISIBLE_DEVICES": "3, 1"}) == ["3", "1"]
    assert visible(1, {"CUDA_VISIBLE_DEVICES": "GPU-8f3a,-1"}) == ["GPU-8f3a"]


def test_devices_that_slurm_gave_are_the_jobs_own():
    """Slurm may number them from 0 in each job."""
    one, other = (visible(1, {"CUDA_VISIBLE_DEVICES": "0", "SLURM_JOB_ID": number}) for number in ("7", "8"))
    assert one != other


@pytest.fixture
def cards(monkeypatch, tmp_path):
    """cards(n): torch sees n devices that are no-one's."""
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    devices.devices_of.cache_clear()
    yield lambda count: monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    devices.devices_of.cache_clear()


def test_a_process_keeps_its_device(cards, tmp_path):
    cards(2)
    other = job(tmp_path, "01")
    assert taken(other) == [0]
    assert [devices_of("cuda", 1), devices_of("cuda", 1)] == [["cuda:1"], ["cuda:1"]]
    other.communicate()


def test_the_processes_of_a_job_take_their_devices_at_once_and_each_the_one_of_its_rank(cards, tmp_path, monkeypatch):
    cards(4)
    other = job(tmp_path, "0123")
    assert taken(other) == [0]
    assert devices.devices_of("cuda", 2) == ["cuda:1", "cuda:2"]
    monkeypatch.setattr(network, "build", lambda: SimpleNamespace(eval=lambda: None, to=lambda device: device))
    monkeypatch.setattr(network, "count", lambda: 2)
    for rank, device in enumerate(["cuda:1", "cuda:2"]):
        monkeypatch.setattr(network, "rank", lambda rank=rank: rank)
        assert network.network_on("cuda", {}, 1) == device
    with pytest.raises(UserError, match="needs 5 devices, and there are 4"):
        devices.devices_of("cuda", 5)
    assert devices.devices_of("cpu", 2) == ["cpu", "cpu"]
    other.communicate()


def test_the_cpu_is_everybodys(cards, tmp_path):
    cards(2)
    assert devices_of("cpu", 1) == ["cpu"]
    cards(0)
    assert devices_of("auto", 1) == ["cpu"]
    assert not list(tmp_path.iterdir())


def test_no_device_is_an_error_of_one_line(cards):
    cards(0)
    with pytest.raises(UserError, match=r"^config: device: is cuda, but torch \S+ finds no CUDA device on .+$"):
        devices_of("cuda", 1)


WORKFLOW = """
rule all:
    input: expand("{n}.txt", n=range(6))
rule work:
    output: "{n}.txt"
    resources: gpu=1
    retries: 1
    shell: "%s work.py {output}"
"""
# Writes when it began and ended on which device; the first attempt at 3.txt is killed there.
WORK = """
import os, signal, sys, time
from pathlib import Path
from types import SimpleNamespace
from derain.training.devices import take
device = take(["a", "b"], folder=Path("."))[0]
began = time.monotonic()
if sys.argv[1] == "3.txt" and not Path("killed").exists():
    Path("killed").touch()
    os.kill(os.getpid(), signal.SIGKILL)
time.sleep(0.3)
Path(sys.argv[1]).write_text(f"{device} {began} {time.monotonic()}")
"""


@pytest.mark.slow
def test_the_engine_starts_as_many_jobs_as_there_are_devices_and_each_has_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "scripts"))
    (tmp_path / "Snakefile").write_text(WORKFLOW % sys.executable)
    (tmp_path / "work.py").write_text(WORK)
    command = [sys.executable, "-m", "snakemake", "--cores", "6", "--resources", "gpu=2"]
    run = subprocess.run(
        command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "killed").exists()
    assert "waiting" not in run.stderr
    spans = sorted(tuple(map(float, (tmp_path / f"{n}.txt").read_text().split())) for n in range(6))
    assert {device for device, *_ in spans} == {0, 1}
    for (device, _, ended), (following, began, _) in pairwise(spans):
        assert device != following or ended <= began
