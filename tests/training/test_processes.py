"""One stage in several real processes, which speak gloo: the same numbers, one end."""

import copy
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from derain.config.training import Training
from derain.data.patches import PatchSampler
from derain.errors import UserError
from derain.method.losses import LOSSES
from derain.networks import weights
from derain.training import processes
from derain.training.checkpoint import Checkpoint, ResumePoint
from derain.training.importance import importance_sum
from derain.training.ingredients import batches, terms
from derain.training.job import Job
from derain.training.loop import places, train
from derain.training.processes import together
from precision import SHARP, UNIT64, InFloat64, of_roundings
from recipes import INGREDIENTS, job_of, past_files, replaced
from waiting import until

pytestmark = [pytest.mark.numerical, pytest.mark.usefixtures("no_process_group_left")]

RECIPE = Training(
    steps=4, batch=5, patch=8, loss="negative_ssim", optimizer="adam", learning_rate=1e-3, schedule="cosine", warmup=2
)


@pytest.fixture
def log(tmp_path):
    return str(tmp_path / "log")


@pytest.fixture
def stage(tiny, pairs, images, tmp_path, monkeypatch):
    """A function that trains a stage with penalty, distillation on other rain, and memory; θ and what was told."""
    monkeypatch.setattr(Job, "pairs", lambda job, split: pairs)
    past = past_files(tiny, *images(4, side=RECIPE.patch, dtype=torch.float32), tmp_path)

    def run(devices, dtype, log, **recipe):
        recipe = replaced(RECIPE, **recipe)
        network, told = copy.deepcopy(tiny).to(dtype), []

        def work():
            job = job_of(recipe, INGREDIENTS)
            seen = batches(job, past)
            if dtype == torch.float64:
                seen = InFloat64(seen)
            told.extend(train(network, seen, recipe, terms(job, network, past)))

        together(devices, "cpu", work, log)
        return dict(network.named_parameters()), told

    return run


def _distance(found, expected):
    """The largest relative distance of a tensor."""
    return max(float(((found[n] - theta).norm() / theta.norm()).detach()) for n, theta in expected.items())


@pytest.mark.parametrize(("optimizer", "rate", "magnified"), [("sgd", 0.05, 1), ("adam", 1e-3, 1e4)])
def test_in_float64_two_processes_with_unequal_parts_train_theta_as_one_does_with_whole_batches(
    optimizer, rate, magnified, stage, tiny, log
):
    """magnified: Adam divides a gradient by its size, so that a small one, of large summands, keeps their rounding."""
    how = {"optimizer": optimizer, "learning_rate": rate, "steps": 20}
    one, told = stage(1, torch.float64, log, **how)
    two, told_by_two = stage(2, torch.float64, log, parts=2, **how)
    rounding = of_roundings(1000, UNIT64) * how["steps"] * magnified
    assert _distance(two, one) < rounding
    assert _distance(one, dict(tiny.double().named_parameters())) > max(1e-3, 1e3 * rounding)
    assert len(told) == len(told_by_two) == 20
    assert told[0].terms.keys() == {"reconstruction", "penalty", "distillation"}
    for a, b in zip(told, told_by_two, strict=True):
        assert b.terms == pytest.approx(a.terms, rel=1e-6, abs=SHARP * abs(a.terms["reconstruction"]))
        assert b.psnr_rgb_db == pytest.approx(a.psnr_rgb_db, rel=SHARP)


def test_in_float32_the_number_of_processes_changes_no_bit(stage, log):
    runs = [stage(devices, torch.float32, log, parts=4) for devices in (1, 2, 4)]
    for theta, told in runs[1:]:
        assert all(torch.equal(theta[name], expected) for name, expected in runs[0][0].items())
        assert [(p.terms, p.psnr_rgb_db) for p in told] == [(p.terms, p.psnr_rgb_db) for p in runs[0][1]]


def test_parts_hold_every_place_of_a_batch_once_and_differ_in_size_by_one_at_most():
    for batch in range(1, 12):
        for parts in range(1, batch + 1):
            found = places(batch, parts)
            assert [n for place in found for n in range(batch)[place]] == list(range(batch))
            assert len(found) == parts
            assert {place.stop - place.start for place in found} <= {batch // parts, -(-batch // parts)}


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("power", ["absolute", "squared"])
def test_two_processes_share_an_omega_of_an_odd_number_of_gradients_to_the_same_sums(power, size, tiny, pairs, log):
    """Also where a first attempt, by one process, ended after the third gradient."""
    sampler = PatchSampler(pairs, 16, size, (0, 2, 1))
    asked, found, whole = [], [], importance_sum(tiny, map(sampler.__getitem__, range(7)), LOSSES["l1"], power)
    begun, _ = importance_sum(tiny, map(sampler.__getitem__, range(3)), LOSSES["l1"], power)

    def work():
        for done, state in ((0, {}), (3, {"sums": begun})):
            counted = copy.deepcopy(tiny)
            counted.register_forward_hook(lambda *_, done=done: asked.append(done))
            left = map(sampler.__getitem__, range(done, 7))
            found.append(importance_sum(counted, left, LOSSES["l1"], power, ResumePoint(done, state)))

    together(2, "cpu", work, log)
    assert asked == [0, 0, 0, 0, 3, 3]  # of 7 and of 4 gradients, those of the first process
    for sums, count in found:
        assert count == whole[1] == 7
        assert all(torch.equal(part, whole[0][name]) for name, part in sums.items())


def test_attempts_by_one_and_by_two_processes_add_up_to_the_same_bytes(tiny, pairs, tmp_path, log):
    sampler, recipe = PatchSampler(pairs, 16, RECIPE.batch, (0, 1, 1)), replaced(RECIPE, steps=9, parts=2)

    def attempt(devices, last, folder):
        network = copy.deepcopy(tiny)

        def work():
            if processes.rank() == 0:
                reached = Checkpoint(str(folder), {}, 0, lambda: None, lambda line: None)
                processes.broadcast((reached.done, reached.state))
            else:
                reached = ResumePoint(*processes.broadcast(None))
            for progress in train(network, sampler, recipe, {}, 0, reached):
                if progress.step > last:
                    break

        together(devices, "cpu", work, log)
        return weights.of_network(network)

    expected = attempt(1, 9, tmp_path / "whole")
    for devices, last in ((2, 2), (1, 4), (2, 7)):
        attempt(devices, last, tmp_path / "cut")
    found = attempt(1, 9, tmp_path / "cut")
    assert all(found[name].tobytes() == array.tobytes() for name, array in expected.items())


# --- ends


def _ends(process, log):
    """How a job ended that ran in a process of its own."""
    until(lambda: process.exitcode is not None, "the end of the job")
    return process.exitcode, Path(log).read_text(encoding="utf-8") if Path(log).exists() else ""


def _is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except OSError:  # also where it goes while it is looked at
        return True


def _write_pid(folder):
    partial = folder / "partial"
    partial.write_text(str(os.getpid()), encoding="utf-8")
    partial.rename(folder / "pid")


def _read_pid(folder):
    until((folder / "pid").exists, "the start of the second process")
    return int((folder / "pid").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_loss_that_is_not_finite_in_one_process_ends_both_with_one_line(tiny, pairs, tmp_path, log, capfd):
    class Spoilt(PatchSampler):
        def __getitem__(self, step):
            rainy, clean = super().__getitem__(step)
            rainy[-1] += float("nan") if step == 2 else 0
            return rainy, clean

    def work():
        if processes.rank() == 1:
            _write_pid(tmp_path)
        list(train(tiny, Spoilt(pairs, 16, 5, (0,)), replaced(RECIPE, parts=2), {}))

    with pytest.raises(UserError, match=r"not finite at step 3 \(reconstruction nan\)"):
        together(2, "cpu", work, log)
    other = _read_pid(tmp_path)
    until(lambda: _is_gone(other), "the end of the second process")
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.slow
def test_where_another_process_is_killed_the_first_one_says_so(tiny, pairs, log):
    def work():
        for progress in train(tiny, PatchSampler(pairs, 16, 5, (0,)), replaced(RECIPE, parts=2), {}):
            if processes.rank() == 1 and progress.step == 2:
                os.kill(os.getpid(), signal.SIGKILL)

    line = "process 2 of 2 was ended by SIGKILL; the next attempt goes on at the last checkpoint"
    with pytest.raises(UserError) as ended:
        together(2, "cpu", work, log)
    assert str(ended.value) == line
    together(2, "cpu", lambda: None, log)  # and others may follow


@pytest.mark.slow
def test_what_goes_wrong_in_another_process_is_shown_and_ends_the_first_one(log, capfd):
    def work():
        if processes.rank() == 1:
            raise KeyError("of the second")
        processes.broadcast(None)
        processes.all_gather(torch.zeros(1))

    with pytest.raises(UserError, match=r"process 2 of 2 failed \(status 1\)"):
        together(2, "cpu", work, log)
    assert "KeyError: 'of the second'" in capfd.readouterr().err


@pytest.mark.slow
def test_a_first_process_that_does_not_notice_is_ended_with_a_line(log, monkeypatch):
    """NCCL waits in a collective whose other end is gone."""
    monkeypatch.setattr(processes, "GRACE", 0.2)

    def work():
        if processes.rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()

    job = multiprocessing.get_context("fork").Process(target=together, args=(2, "cpu", work, log))
    job.start()
    code, told = _ends(job, log)
    assert code == 1
    assert told.startswith("error: process 2 of 2 was ended by SIGKILL")
    assert len(told.splitlines()) == 1


@pytest.mark.slow
def test_no_process_is_left_behind_where_the_first_one_is_killed_and_signals_alone_end_none(tmp_path, log):
    alive = tmp_path / "alive"

    def work():
        if processes.rank() == 1:
            _write_pid(tmp_path)
        while True:
            time.sleep(0.01)
            if processes.rank() == 1:
                alive.touch()

    job = multiprocessing.get_context("fork").Process(target=together, args=(2, "cpu", work, log))
    job.start()
    other = _read_pid(tmp_path)
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(other, number)
        for _ in range(2):  # the first may have been under way
            until(alive.exists, f"a sign of the second process after {number.name}")
            alive.unlink()
    job.kill()
    assert _ends(job, log) == (-signal.SIGKILL, "")
    until(lambda: _is_gone(other), "the end of the second process")
