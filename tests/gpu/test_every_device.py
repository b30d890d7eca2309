"""Losses, Ω, methods, checkpoints, processes and scores on a device, compared with the CPU in float64.

They run on the CPU everywhere, which tests the tests, and on a CUDA device where there is one: pytest -m cuda.
"""

import copy

import numpy as np
import pytest
import torch
import torch.distributed as dist
from derain.config.training import Training
from derain.data.patches import PatchSampler
from derain.evaluation.restoring import clamped_output
from derain.method.losses import LOSSES
from derain.networks import build, weights
from derain.training import devices, processes
from derain.training.checkpoint import Checkpoint
from derain.training.importance import importance_sum
from derain.training.ingredients import batches, terms
from derain.training.job import Job
from derain.training.loop import train
from derain.training.prepared import prepared
from precision import SHARP, UNIT32, UNIT64, InFloat64, of_roundings
from recipes import INGREDIENTS, job_of, past_files, replaced

CUDA = pytest.param(
    "cuda",
    marks=[pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")],
)
RECIPE = Training(
    steps=6, batch=4, patch=16, loss="negative_ssim", optimizer="sgd", learning_rate=0.05, schedule="cosine", warmup=2
)
# Ten thousand roundings of float32: sums of thousands of products, and what SSIM's division by variances makes of them.
LOOSE = 1e4 * UNIT32


@pytest.fixture(params=["cpu", CUDA])
def device(request):
    """A device, as torch names it."""
    return request.param


@pytest.fixture
def stage(tiny, pairs, images, tmp_path, monkeypatch):
    """A function that trains a second stage with some of INGREDIENTS; its network and the numbers of its steps."""
    monkeypatch.setattr(Job, "pairs", lambda job, split: pairs)
    past = past_files(tiny, *images(4, side=RECIPE.patch, dtype=torch.float32), tmp_path)

    def run(device, dtype, ingredients=tuple(INGREDIENTS), checkpoint=None, **recipe):
        job = job_of(replaced(RECIPE, **recipe), {name: INGREDIENTS[name] for name in ingredients})
        network = copy.deepcopy(tiny).to(device, dtype)
        seen = batches(job, past)
        if dtype == torch.float64:
            seen = InFloat64(seen)
        told = list(train(network, seen, job.recipe.training, terms(job, network, past), checkpoint=checkpoint))
        return network, told

    return run


def _theta(network):
    return {name: theta.detach().cpu().double() for name, theta in network.named_parameters()}


def _distance(found, expected):
    """The largest relative distance of a tensor."""
    found, expected = _theta(found), _theta(expected)
    return max(float((found[name] - theta).norm() / theta.norm()) for name, theta in expected.items())


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_that_of_the_cpu(name, device, images):
    output, clean = images(3, side=20)
    expected = LOSSES[name](output, clean)
    found = LOSSES[name](output.to(device), clean.to(device))
    assert found.device.type == device
    torch.testing.assert_close(found.cpu(), expected, rtol=SHARP, atol=SHARP)
    rounded = LOSSES[name](output.float().to(device), clean.float().to(device))
    torch.testing.assert_close(rounded.double().cpu(), expected, rtol=LOOSE, atol=LOOSE)


@pytest.mark.parametrize("power", ["absolute", "squared"])
def test_omega_is_that_of_the_cpu(power, device, tiny, images):
    rainy, clean = images(3)
    network = tiny.double()
    expected, _ = importance_sum(network, [(rainy[n : n + 1], clean[n : n + 1]) for n in range(3)], LOSSES["l1"], power)
    moved = [(rainy[n : n + 1].to(device), clean[n : n + 1].to(device)) for n in range(3)]
    found, samples = importance_sum(network.to(device), moved, LOSSES["l1"], power)
    assert samples == 3
    for name, total in expected.items():
        torch.testing.assert_close(found[name].cpu(), total, rtol=SHARP, atol=SHARP * float(total.max()))


@pytest.mark.parametrize("ingredients", [(), ("penalty",), ("distillation",), ("memory",), tuple(INGREDIENTS)])
def test_a_stage_is_that_of_the_cpu(ingredients, device, stage, tiny):
    expected, lines = stage("cpu", torch.float64, ingredients)
    found, told = stage(device, torch.float64, ingredients)
    rounding = of_roundings(1000, UNIT64) * RECIPE.steps
    assert _distance(found, expected) < rounding
    assert _distance(expected, copy.deepcopy(tiny).double()) > 1e3 * rounding
    for a, b in zip(lines, told, strict=True):
        assert b.terms == pytest.approx(a.terms, rel=1e-6, abs=SHARP)
    if ingredients:
        assert _distance(stage(device, torch.float64, ())[0], expected) > 1e3 * rounding
    in_float32, _ = stage(device, torch.float32, ingredients)
    assert _distance(in_float32, expected) < LOOSE * RECIPE.steps


def test_a_stage_that_was_interrupted_goes_on_there(device, stage, tmp_path):
    """On the CPU to the same bytes; on CUDA, where kernels may add in any order, to the same numbers."""
    adam = {"optimizer": "adam", "learning_rate": 1e-3}

    def checkpoint(stop):
        return Checkpoint(str(tmp_path / "theta"), {}, 0.0, stop, lambda line: None)

    calls = iter(range(100))
    with pytest.raises(Exception, match="stopped after step 3"):
        stage(device, torch.float64, checkpoint=checkpoint(lambda: "time" if next(calls) == 2 else None), **adam)
    going_on = checkpoint(lambda: None)
    assert going_on.done == 3
    found, _ = stage(device, torch.float64, checkpoint=going_on, **adam)
    whole, _ = stage(device, torch.float64, **adam)
    if device == "cpu":
        assert weights.of_network(found).keys() == weights.of_network(whole).keys()
        assert all(torch.equal(a, b) for a, b in zip(found.parameters(), whole.parameters(), strict=True))
    assert _distance(found, whole) < of_roundings(1000, UNIT64) * RECIPE.steps * 1e4  # Adam divides small gradients


def test_bfloat16_trains_a_neighbour_and_theta_stays_float32(device, stage, tiny):
    short, full = (stage(device, torch.float32, (), precision=each)[0] for each in ("bfloat16", "float32"))
    assert {theta.dtype for theta in short.parameters()} == {torch.float32}
    assert 0 < _distance(short, full) < _distance(full, tiny) / 4


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
@pytest.mark.parametrize("ingredients", [(), tuple(INGREDIENTS)])
def test_a_compiled_stage_is_that_of_the_cpu(ingredients, mode, device, stage):
    expected, _ = stage("cpu", torch.float64, ingredients)
    network, lines = stage(device, torch.float32, ingredients, compile=mode)
    assert len(lines) == RECIPE.steps
    assert 0 < _distance(network, expected) < LOOSE * RECIPE.steps


def test_tfloat32_is_another_format_on_cuda_alone(device, stage):
    full, short = (stage(device, torch.float32, (), precision=each)[0] for each in ("float32", "tfloat32"))
    assert (_distance(short, full) > 0) == (device == "cuda")


def test_one_process_with_the_backend_of_the_device_trains_the_same(device, stage, tmp_path):
    alone, _ = stage(device, torch.float64)
    name = "nccl" if device == "cuda" else "gloo"
    store = dist.FileStore(str(tmp_path / "store"), 1)
    dist.init_process_group(name, store=store, rank=0, world_size=1)
    try:
        assert processes.count() == 1
        gathered = [torch.empty(3, device=device)]
        dist.all_gather(gathered, torch.arange(3.0, device=device))
        assert gathered[0].tolist() == [0, 1, 2]
        found, _ = stage(device, torch.float64)
    finally:
        dist.destroy_process_group()
    assert _distance(found, alone) < of_roundings(1000, UNIT64) * RECIPE.steps


def test_a_device_is_locked_until_its_job_ends(device, tmp_path):
    if device == "cpu":
        assert devices.devices_of("cpu", 1) == ["cpu"]
        return
    names = devices.visible(torch.cuda.device_count(), {})
    first = devices.take(names, len(names), tmp_path)
    assert first == list(range(len(names)))
    assert devices._lock(tmp_path, names[0]) is None


@pytest.mark.parametrize("backbone", ["prenet", "nafnet", "restormer"])
def test_outputs_are_those_of_the_cpu(backbone, device):
    """Of the whole network at its size, in float32 against float64."""
    options = {"prenet": {"channels": 8}, "nafnet": {"width": 4}, "restormer": {"width": 4}}[backbone]
    network = build(backbone, **options).eval()
    rainy = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    found = clamped_output(network.to(device), rainy)
    with torch.inference_mode():
        image = torch.from_numpy(rainy).permute(2, 0, 1)[None].double() / 255
        exact = network.cpu().double()(image)[0].permute(1, 2, 0).clamp(0, 1).numpy()
    assert np.abs(found - exact).max() < LOOSE


def test_a_batch_prepared_ahead_is_that_of_the_sampler(device, pairs):
    sampler = PatchSampler(pairs, RECIPE.patch, RECIPE.batch, (0, 1, 1))
    for step, batch in enumerate(prepared(sampler, range(4), 0, pin=device == "cuda")):
        for found, expected in zip(batch, sampler[step], strict=True):
            assert found.is_pinned() == (device == "cuda")
            assert torch.equal(found, expected)
            assert found.stride() == expected.stride()
