import copy
import math
import multiprocessing
import os
import signal
import threading

import numpy as np
import pytest
import torch
from derain.config.training import Training
from derain.data.patches import PatchSampler
from derain.errors import UserError
from derain.files import tensors
from derain.method.distillation import Distillation
from derain.method.losses import LOSSES
from derain.method.penalty import FORMS, Penalty
from derain.networks import build, weights
from derain.training.importance import importance_sum
from derain.training.ingredients import terms
from derain.training.loop import rate_factor, train
from derain.training.prepared import ahead, prepared
from derain.training.processes import together
from precision import SHARP, InFloat64
from recipes import job_of, replaced

pytestmark = pytest.mark.numerical

RECIPE = Training(
    steps=4,
    batch=2,
    patch=16,
    loss="negative_ssim",
    optimizer="adam",
    learning_rate=1e-3,
    schedule="constant",
    warmup=0,
)


@pytest.fixture
def batches(pairs):
    return PatchSampler(pairs, RECIPE.patch, RECIPE.batch, (0, 1, 1))


@pytest.fixture
def exact(tiny, batches):
    """Network and batches in float64."""
    return tiny.double(), InFloat64(batches)


@pytest.fixture
def omega(exact, tmp_path):
    """A file of Ω at the θ of the network `tiny`, in float64."""
    network, batches = exact
    rainy, clean = batches[0]
    singles = zip(rainy.split(1), clean.split(1), strict=True)
    sums, samples = importance_sum(network, singles, LOSSES[RECIPE.loss])
    path = tmp_path / "omega.safetensors"
    tensors.write(path, {name: (total / samples).numpy() for name, total in sums.items()}, {})
    return str(path)


def _trained(network, batches, terms=None, workers=0, **recipe):
    moving = copy.deepcopy(network)
    log = list(train(moving, batches, replaced(RECIPE, **recipe), (terms or (lambda _: {}))(moving), workers))
    return moving, log


def _bytes(network):
    return {name: array.tobytes() for name, array in weights.of_network(network).items()}


def _terms(spec, **past):
    """The terms of a method, ready for `_trained`."""
    return lambda moving: terms(job_of(RECIPE, spec), moving, past)


def _spec(**penalty):
    return {"penalty": {"form": "squared", "strength": 100.0, "normalisation": "loss_units"} | penalty}


# --- penalty and distillation act


@pytest.mark.parametrize("normalisation", ["loss_units", "none"])
@pytest.mark.parametrize("form", FORMS)
def test_a_penalty_changes_theta_in_k_steps_and_a_stronger_one_keeps_important_weights_closer(
    form, normalisation, exact, omega
):
    tiny, batches = exact
    importance = tensors.read(omega)[0]

    def moved(strength):
        spec = _spec(form=form, normalisation=normalisation, strength=strength)
        network, _ = _trained(tiny, batches, _terms(spec, omega=omega), optimizer="sgd", steps=8,
                              learning_rate=1e-2)  # fmt: skip
        stars = weights.of_network(tiny)
        bound = sum(float((importance[n] * np.abs(w - stars[n])).sum()) for n, w in weights.of_network(network).items())
        return bound, _bytes(network)

    free, weak, strong = moved(0.0), moved(0.1), moved(1.0)
    plain = _bytes(_trained(tiny, batches, optimizer="sgd", steps=8, learning_rate=1e-2)[0])
    assert free[1] == plain  # at strength 0 the term is there and does nothing
    assert len({tuple(theta.values()) for _, theta in (free, weak, strong)}) == 3
    assert strong[0] < weak[0] < free[0]


@pytest.mark.parametrize("loss", LOSSES)
def test_distillation_changes_theta_in_k_steps_and_keeps_the_outputs_closer(loss, exact):
    tiny, batches = exact
    rainy, _ = batches[0]
    target = tiny(rainy).detach()

    def moved(strength):
        spec = {"distillation": {"loss": loss, "strength": strength, "rain": (1, 1)}}
        network, _ = _trained(tiny, batches, _terms(spec), optimizer="sgd", steps=8, learning_rate=1e-2)
        return float((network(rainy) - target).square().mean().detach()), _bytes(network)

    free, strong = moved(0.0), moved(1.0)
    assert free[1] == _bytes(_trained(tiny, batches, optimizer="sgd", steps=8, learning_rate=1e-2)[0])
    assert free[1] != strong[1]
    if loss in ("mse", "negative_ssim"):  # the others have a kink at the teacher, wider than eight steps of drift
        assert strong[0] < free[0]


def test_neither_term_without_its_section(tiny):
    assert _terms({})(tiny) == {}


def test_theta_and_logged_terms_are_those_of_gradient_descent_on_the_sum_of_the_three_terms(exact, omega):
    """By hand: θ ← θ − η ∇(L + λ P + κ D), each term evaluated before the step."""
    tiny, batches = exact
    eta, steps = 1e-2, 4
    spec = _spec(strength=3.0) | {"distillation": {"loss": "l1", "strength": 0.5, "rain": (1, 1)}}
    network, log = _trained(tiny, batches, _terms(spec, omega=omega), optimizer="sgd", learning_rate=eta, steps=steps)
    stars = {name: weight.detach().clone() for name, weight in tiny.named_parameters()}
    importance = {name: torch.from_numpy(array) for name, array in tensors.read(omega)[0].items()}
    penalty, teacher = Penalty(stars, importance, "squared", "loss_units"), Distillation(tiny, LOSSES["l1"])
    moving = copy.deepcopy(tiny)
    for step in range(steps):
        rainy, clean = batches[step]
        output = moving(rainy)
        expected = {
            "reconstruction": LOSSES["negative_ssim"](output, clean).mean(),
            "penalty": 3.0 * penalty(moving),
            "distillation": 0.5 * teacher(rainy, output),
        }
        gradients = torch.autograd.grad(sum(expected.values()), list(moving.parameters()))
        with torch.no_grad():
            for weight, gradient in zip(moving.parameters(), gradients, strict=True):
                weight -= eta * gradient
        assert log[step].step == step + 1
        assert log[step].terms == pytest.approx(
            {name: value.item() for name, value in expected.items()}, rel=SHARP, abs=SHARP**2
        )
    for name, weight in network.named_parameters():
        torch.testing.assert_close(weight, moving.get_parameter(name), rtol=SHARP, atol=SHARP**2)
    assert log[-1].terms["penalty"] > 0
    assert log[-1].terms["distillation"] > 0


# --- determinism


def test_the_same_seed_twice_gives_the_same_bytes_and_another_seed_gives_others(tiny, pairs):
    thetas = [_bytes(_trained(tiny, PatchSampler(pairs, 16, 2, (seed, 1, 1)))[0]) for seed in (0, 0, 1)]
    assert thetas[0] == thetas[1]
    assert thetas[0] != thetas[2]


def test_no_worker_and_two_workers_give_the_same_bytes_and_the_same_log(tiny, batches):
    (alone, log), (helped, helped_log) = (_trained(tiny, batches, workers=workers) for workers in (0, 2))
    assert _bytes(alone) == _bytes(helped)
    assert [(p.step, p.terms, p.psnr_rgb_db) for p in log] == [(p.step, p.terms, p.psnr_rgb_db) for p in helped_log]


class Failing(torch.utils.data.Dataset):
    """Batches of which one cannot be prepared."""

    def __init__(self, batches, fail):
        self.batches, self.fail = batches, fail

    def __getitem__(self, step):
        if step == 2:
            self.fail()
        return self.batches[step]


def _raise(error):
    raise error


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_user_can_mend_is_told_as_it_is_wherever_batches_are_prepared(workers, tiny, batches):
    failing = Failing(batches, lambda: _raise(UserError("a.png: changed since it was checked; run again")))
    with pytest.raises(UserError, match=r"^a\.png: changed since it was checked; run again$"):
        _trained(tiny, failing, workers=workers)


def test_a_worker_that_is_killed_or_fails_is_told_in_one_line(tiny, batches, tmp_path):
    for fail in (lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: _raise(OSError(28, "No space left on device"))):
        failing = Failing(batches, fail)
        with pytest.raises(UserError, match=r"^training\.workers: .+; set it to 0 to use none$") as told:
            together(1, "cpu", lambda failing=failing: _trained(tiny, failing, workers=1), str(tmp_path / "log"))
        assert len(str(told.value).splitlines()) == 1
    assert not multiprocessing.active_children()


def test_batches_of_a_worker_lie_in_memory_as_those_of_the_job(batches):
    for alone, sent in zip(*(prepared(batches, range(2), workers, pin=False) for workers in (0, 1)), strict=True):
        for mine, other in zip(alone, sent, strict=True):
            assert torch.equal(mine, other)
            assert mine.stride() == other.stride()


def test_the_batch_after_the_one_in_use_is_prepared_in_a_thread():
    second = threading.Event()

    def change(item):
        if item == 2:
            second.set()
        return -item

    items = ahead(iter([1, 2, 3]), change)
    assert next(items) == -1
    assert second.wait(60)
    assert list(items) == [-2, -3]


def test_a_fault_of_a_batch_that_is_prepared_ahead_comes_with_this_batch():
    def faulty():
        yield 1
        raise UserError("a.png: changed since it was checked; run again")

    items = ahead(faulty(), lambda item: item)
    assert next(items) == 1
    with pytest.raises(UserError, match="changed since"):
        next(items)


@pytest.mark.parametrize("workers", [0, 1])
def test_pinned_batches_are_the_same_batches(workers, batches, monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor.clone())
    for mine, other in zip(
        prepared(batches, range(3), workers, pin=True), prepared(batches, range(3), 0, pin=False), strict=True
    ):
        assert all(map(torch.equal, mine, other))
    assert len(pinned) == 2 * 3


def test_numbers_are_read_at_the_steps_asked_for_and_are_those_of_reading_at_each_step(tiny, batches, monkeypatch):
    _, expected = _trained(tiny, batches, steps=7)
    reads, plain = [], torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: reads.append(len(tensor)) or plain(tensor))
    moving = copy.deepcopy(tiny)
    found = list(train(moving, batches, replaced(RECIPE, steps=7), {}, read=lambda step: step % 3 == 0))
    assert reads == [3, 3, 1]
    assert [(each.step, each.terms, each.psnr_rgb_db, each.learning_rate) for each in found] == [
        (each.step, each.terms, each.psnr_rgb_db, each.learning_rate) for each in expected
    ]


def test_a_loss_that_is_not_finite_is_named_by_its_own_step_however_late_it_is_read(tiny, batches):
    spoilt = [*(batches[step] for step in range(2)), (batches[0][0] * math.nan, batches[0][1]), batches[1]]
    with pytest.raises(UserError, match=r"^the loss is not finite at step 3 \(reconstruction nan\)"):
        list(train(copy.deepcopy(tiny), spoilt, RECIPE, {}, read=lambda step: False))


def test_watching_a_training_in_evaluation_mode_between_steps_changes_nothing(tiny, batches):
    watched = copy.deepcopy(tiny)
    for _ in train(watched, batches, RECIPE, {}):
        with torch.inference_mode():
            watched(torch.rand(1, 3, 16, 16))
    assert _bytes(watched) == _bytes(_trained(tiny, batches)[0])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_training_brings_the_loss_down(optimizer, loss, tiny, batches):
    rate = 0.05 if optimizer == "sgd" else 2e-3
    # Few steps: with SSIM and Adam this network leaves its minimum after thirty, sooner or later with each rounding.
    one_batch = [batches[0]] * 15
    _, log = _trained(tiny, one_batch, loss=loss, optimizer=optimizer, learning_rate=rate, steps=15)
    first, last = (log[n].terms["reconstruction"] for n in (0, -1))
    assert last < first - 0.0005


def test_the_logged_psnr_is_that_of_the_clamped_batch(exact):
    tiny, batches = exact
    rainy, clean = batches[0]
    mse = (tiny(rainy).clamp(0, 1) - clean).square().mean().item()
    _, log = _trained(tiny, batches, steps=1)
    assert log[0].psnr_rgb_db == pytest.approx(-10 * math.log10(mse), abs=SHARP)


# --- precision


@pytest.mark.parametrize(("precision", "tf32"), [("float32", False), ("tfloat32", True), ("bfloat16", False)])
def test_cuda_multiplies_in_tf32_only_in_the_passes_of_a_training_that_asks_for_it(precision, tf32, batches):
    moving = build("prenet", stages=1, channels=4, blocks=1)
    formats = []

    def seen(*_):
        formats.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))

    def forward(network, inputs, output):
        seen()
        output.register_hook(seen)

    moving.register_forward_hook(forward)
    for _ in train(moving, batches, replaced(RECIPE, precision=precision, steps=2), {}):
        seen()
    assert formats == [(tf32, tf32), (tf32, tf32), (False, False)] * 2


def test_on_the_cpu_tf32_is_float32(tiny, batches):
    assert _bytes(_trained(tiny, batches, precision="tfloat32")[0]) == _bytes(_trained(tiny, batches)[0])


@pytest.mark.parametrize("loss", LOSSES)
def test_with_bfloat16_the_passes_are_those_of_autocast_and_losses_and_theta_stay_float32(loss, tiny, batches):
    rainy, clean = batches[0]
    with torch.autocast("cpu", torch.bfloat16):
        output = tiny(rainy).detach()
        losses = {name: function(output, clean) for name, function in LOSSES.items()}
    assert not torch.equal(output, tiny(rainy))
    assert all(torch.equal(value, LOSSES[name](output, clean)) for name, value in losses.items())
    spec = {"distillation": {"loss": loss, "strength": 1.0, "rain": (1, 1)}}
    network, log = _trained(tiny, batches, _terms(spec), loss=loss, precision="bfloat16")
    assert log[0].terms["reconstruction"] == losses[loss].mean().item()
    assert log[0].terms["distillation"] == LOSSES[loss](output, output).mean().item()  # the teacher's pass as well
    assert {theta.dtype for theta in network.parameters()} == {torch.float32}
    full = _trained(tiny, batches, _terms(spec), loss=loss)[0]
    assert _bytes(network) != _bytes(full)
    for name, theta in network.named_parameters():
        # No step of Adam is longer than the rate while there are so few of them.
        assert (theta - full.get_parameter(name)).abs().max() < 2.1 * RECIPE.steps * RECIPE.learning_rate


def test_with_bfloat16_the_loss_comes_down(tiny, batches):
    trained, _ = _trained(tiny, [batches[0]] * 15, precision="bfloat16", learning_rate=2e-3, steps=15)
    full, _ = _trained(tiny, [batches[0]] * 15, learning_rate=2e-3, steps=15)
    rainy, clean = (images.double() for images in batches[0])
    start, end, exact = (
        LOSSES[RECIPE.loss](network.double()(rainy), clean).mean().item() for network in (tiny, trained, full)
    )
    assert end < start - (start - exact) / 2


# --- schedules


@pytest.mark.parametrize(
    ("schedule", "step", "factor"),
    [
        ("constant", 0, 1), ("constant", 99, 1),
        ("cosine", 0, 1), ("cosine", 25, (1 + math.sqrt(0.5)) / 2), ("cosine", 50, 0.5), ("cosine", 100, 0),
        ("multistep", 29, 1), ("multistep", 30, 0.2), ("multistep", 49, 0.2), ("multistep", 50, 0.04),
        ("multistep", 79, 0.04), ("multistep", 80, 0.008), ("multistep", 99, 0.008),
    ],
)  # fmt: skip
def test_the_learning_rate_of_a_step_of_100_is_this_share_of_the_highest(schedule, step, factor):
    assert rate_factor(schedule, step, 100, 0) == pytest.approx(factor, abs=1e-12)


def test_warm_up_rises_linearly_to_the_schedule():
    assert [rate_factor("constant", step, 100, 4) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert rate_factor("cosine", 50, 100, 4) == pytest.approx(0.5)


def test_the_optimizer_takes_the_scheduled_rate(tiny, batches):
    _, log = _trained(tiny, batches, schedule="multistep", warmup=2, steps=10, learning_rate=1e-3)
    expected = [0.5, 1, 1, 0.2, 0.2, 0.04, 0.04, 0.04, 0.008, 0.008]
    assert [p.learning_rate / 1e-3 for p in log] == pytest.approx(expected)


def test_an_unknown_schedule_is_an_error():
    with pytest.raises(ValueError, match="linear"):
        rate_factor("linear", 0, 10, 0)


# --- divergence


def test_a_loss_that_is_not_finite_stops_the_training_and_names_the_step_and_the_term(tiny, batches):
    calls = iter([0.0, 0.0, float("nan"), 0.0])
    with pytest.raises(UserError, match=r"not finite at step 3 .*penalty nan") as stopped:
        _trained(tiny, batches, lambda _: {"penalty": lambda *_: torch.tensor(next(calls))})
    assert len(str(stopped.value).splitlines()) == 1


def test_a_learning_rate_that_throws_theta_away_stops_the_training_with_the_step(tiny, batches):
    with pytest.raises(UserError, match=r"step \d"):
        _trained(tiny, batches, learning_rate=1e30)


def test_a_last_step_that_makes_theta_infinite_is_told_though_its_loss_was_finite(tiny, batches):
    def cliff(network, seen):
        return (seen.output * 0).abs().sqrt().sum()  # 0 everywhere, and without a derivative

    with pytest.raises(UserError, match="step 1"):
        _trained(tiny, batches, lambda _: {"cliff": cliff}, steps=1)


# --- the patches


def test_a_batch_is_a_pure_function_of_seed_and_step(pairs):
    def sampler(seed=(0, 1, 1)):
        return PatchSampler(pairs, 16, 3, seed)

    forwards, backwards = sampler(), sampler()
    once = [forwards[step] for step in range(4)]
    again = [backwards[step] for step in reversed(range(4))][::-1]
    for (a, b), (c, d) in zip(once, again, strict=True):
        assert torch.equal(a, c)
        assert torch.equal(b, d)
    others = [sampler(seed)[0][1] for seed in ((1, 1, 1), (0, 2, 1), (0, 1, 2))] + [once[1][1]]
    assert all(not torch.equal(once[0][1], other) for other in others)


def test_rainy_and_clean_stay_aligned_through_flips_and_turns(pairs):
    rainy, clean = PatchSampler(pairs, 16, 40, (0,))[0]
    assert rainy.shape == clean.shape == (40, 3, 16, 16)
    assert rainy.dtype == torch.float32
    levels = [(side * 255).round() for side in (rainy, clean)]
    assert torch.equal(levels[0], 255 - levels[1])  # as in every pair


def _origin(patch):
    """(image, set of rows, set of columns, orientation) of a patch whose pixels tell where they were."""
    levels = (patch * 255).round().int()
    row, column, image = levels
    step_right = (int(row[0, 1] - row[0, 0]), int(column[0, 1] - column[0, 0]))
    step_down = (int(row[1, 0] - row[0, 0]), int(column[1, 0] - column[0, 0]))
    return int(image[0, 0]), row, column, (step_right, step_down)


def test_patches_are_contiguous_squares_of_the_images_in_all_eight_orientations_from_all_images_and_borders(pairs):
    _, clean = PatchSampler(pairs, 16, 600, (0,))[0]
    found = [_origin(patch) for patch in clean]
    for image, row, column, _ in found:
        height, width = pairs[image][1].shape[:2]
        top, left = int(row.min()), int(column.min())
        assert 0 <= top <= height - 16
        assert 0 <= left <= width - 16
        places = set(zip(row.flatten().tolist(), column.flatten().tolist(), strict=True))
        assert places == {(y, x) for y in range(top, top + 16) for x in range(left, left + 16)}
    assert len({orientation for *_, orientation in found}) == 8
    for image in range(3):
        height, width = pairs[image][1].shape[:2]
        corners = [(int(row.min()), int(column.min())) for n, row, column, _ in found if n == image]
        assert 150 < len(corners) < 250  # each image with the same probability, 200 ± 4σ
        assert {y for y, _ in corners} == set(range(height - 15))
        assert {x for _, x in corners} == set(range(width - 15))


def test_a_patch_as_large_as_the_smallest_image_is_possible(pairs):
    rainy, _ = PatchSampler([pairs[1]], 24, 2, (0,))[0]
    assert rainy.shape == (2, 3, 24, 24)


def test_networks_of_other_depth_need_no_other_training_loop(batches):
    deeper = build("prenet", stages=3, channels=4, blocks=2, lstm=False, shared_block=True)
    trained, _ = _trained(deeper, batches, steps=2)
    assert _bytes(trained) != _bytes(deeper)
