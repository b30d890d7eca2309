import copy

import numpy as np
import pytest
import torch
from derain.config.training import Training
from derain.method.distillation import Distillation, term
from derain.method.intensity import factors_in, factors_to, rain_of_other_strength
from derain.method.losses import LOSSES
from derain.networks import build
from derain.training.loop import train
from precision import SHARP, of_differences

pytestmark = pytest.mark.numerical


LEAST = {"l1": 0, "mse": 0, "charbonnier": 1e-3, "negative_ssim": -1, "negative_psnr": -80}


def _moved(network, scale=0.02):
    moved = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in moved.parameters():
            weight += scale * torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
    return moved


@pytest.mark.parametrize(("name", "least"), LEAST.items())
def test_at_the_teacher_distillation_is_the_least_value_of_its_loss(name, least, tiny, images):
    tiny = tiny.double()
    rainy, _ = images(2)
    distillation = Distillation(tiny, LOSSES[name])
    assert distillation(rainy, tiny(rainy)).item() == pytest.approx(least, abs=SHARP)
    assert distillation(rainy, _moved(tiny)(rainy)).item() > least + 100 * SHARP


@pytest.mark.parametrize("name", LOSSES)
def test_its_gradient_in_theta_is_that_of_finite_differences(name, images):
    student = build("prenet", stages=2, channels=2, blocks=1).double()
    rainy, _ = images(2, side=8)
    distillation = Distillation(_moved(student), LOSSES[name])
    distillation(rainy, student(rainy)).backward()
    step = 1e-6
    for weight in student.parameters():
        flat = weight.data.view(-1)
        index = len(flat) // 2
        before = float(flat[index])
        values = []
        for moved in (before + step, before - step):
            flat[index] = moved
            with torch.no_grad():
                values.append(float(distillation(rainy, student(rainy))))
        flat[index] = before
        expected = (values[0] - values[1]) / (2 * step)
        rounding = of_differences(values[0], step)
        assert float(weight.grad.view(-1)[index]) == pytest.approx(expected, rel=1e-4, abs=rounding)
    assert sum(float(weight.grad.abs().sum()) for weight in student.parameters()) > 1e-3


def test_it_is_the_mean_over_the_batch_of_the_loss_against_the_teachers_outputs(tiny, images):
    tiny = tiny.double()
    student = _moved(tiny)
    rainy, _ = images(3)
    singles = [LOSSES["l1"](student(x), tiny(x)).item() for x in rainy.split(1)]
    assert Distillation(tiny, LOSSES["l1"])(rainy, student(rainy)).item() == pytest.approx(sum(singles) / 3, rel=SHARP)


def test_the_teacher_never_moves_while_the_network_that_it_was_made_from_is_trained(tiny, images):
    rainy, _ = images(2, dtype=torch.float32)
    distillation = Distillation(tiny, LOSSES["l1"])
    before = distillation.teacher(rainy).clone()
    optimizer = torch.optim.SGD(tiny.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (tiny(rainy).square().mean() + distillation(rainy, tiny(rainy))).backward()
        optimizer.step()
    assert torch.equal(distillation.teacher(rainy), before)
    assert all(weight.grad is None and not weight.requires_grad for weight in distillation.teacher.parameters())
    assert all(weight.requires_grad for weight in tiny.parameters())
    assert not torch.equal(tiny(rainy), before)


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
@pytest.mark.parametrize("rain", [(1, 1), (0.5, 2), "as old"])
def test_a_step_is_one_of_gradient_descent_on_the_loss_and_its_strength_times_d(parts, rain, tiny, images):
    """In float64, however the samples are divided into parts."""
    teacher, (rainy, clean) = _moved(tiny.double()), images(5)
    settings = {"steps": 1, "batch": 5, "patch": 16, "learning_rate": 0.1, "warmup": 0, "parts": parts}
    settings |= {"optimizer": "sgd", "schedule": "constant", "loss": "l1"}
    state = {"a": np.array([0.3, 0.6])} if rain == "as old" else None
    options = {"loss": "mse", "strength": 3.0, "rain": (1, 1) if state else rain}

    def trained(**added):
        network = copy.deepcopy(tiny)
        list(train(network, [(rainy, clean)], Training(**settings), added))
        return torch.cat([theta.detach().flatten() for theta in network.parameters()])

    student, seen, drawn = copy.deepcopy(tiny), rainy, (0, 6, 2, 1)
    if rain != (1, 1):
        factors = factors_to([*state.values()], rainy, clean, drawn) if state else factors_in(rain, rainy, drawn)
        seen = rain_of_other_strength(rainy, clean, factors)
    with torch.no_grad():
        target = teacher(seen)
    loss = LOSSES["l1"](student(rainy), clean).mean() + 3 * LOSSES["mse"](student(seen), target).mean()
    gradients = torch.autograd.grad(loss, list(student.parameters()))
    pairs = zip(student.parameters(), gradients, strict=True)
    expected = torch.cat([(theta - 0.1 * gradient).detach().flatten() for theta, gradient in pairs])
    found = trained(distillation=term(teacher, state, (0, 2), **options))
    moved = (found - trained()).abs().max()
    assert moved > 0
    assert (found - expected).abs().max() < 1e-9 * moved
