import copy

import pytest
import torch
from derain.evaluation.theory import taylor
from derain.method.losses import LOSSES
from derain.training.importance import importance_sum
from precision import SHARP, of_differences
from torch import nn

pytestmark = pytest.mark.numerical


class Line(nn.Module):
    """f(x) = a·x + b, so that its loss can be written down."""

    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = (nn.Parameter(torch.tensor(float(value))) for value in (a, b))

    def forward(self, x):
        return self.a * x + self.b


def _linear(output, target):
    """A loss that is linear in the output, and so in θ of a Line."""
    return (output * target).flatten(1).mean(1)


def _samples(*pairs):
    return [tuple(torch.full((1, 3, 2, 2), float(value)) for value in pair) for pair in pairs]


def test_where_the_loss_is_linear_the_first_order_estimate_is_exact():
    found = taylor(Line(1, 0), Line(3, -2), _samples((0.5, 1), (1, 2)), _linear)
    # L = y (a x + b): θⁿ: 0.5 and 2; θ: −0.5 and 2
    assert found["loss_then"] == pytest.approx((0.5 + 2) / 2)
    assert found["loss_now"] == pytest.approx((-0.5 + 2) / 2)
    assert found["change"] == pytest.approx(-0.5)
    assert found["first_order"] == pytest.approx(-0.5, abs=1e-12)
    # Ω: E|y x| = 1.25, E|y| = 1.5
    assert found["bound"] == pytest.approx(1.25 * 2 + 1.5 * 2)


def test_of_a_quadratic_loss_the_rest_is_half_the_curvature_times_the_move_squared():
    """L = (a x + b − y)², Δb = d: change = 2 (a x + b − y) d + d²."""
    samples = _samples((0.25, 1), (0.5, 0), (1, 3))
    residuals = [0.25 - 1, 0.5 - 0, 1 - 3]
    for d in (0.5, -1.0):
        found = taylor(Line(1, 0), Line(1, d), samples, LOSSES["mse"])
        assert found["first_order"] == pytest.approx(2 * d * sum(residuals) / 3)
        assert found["change"] == pytest.approx(found["first_order"] + d * d)
        assert found["bound"] == pytest.approx(2 * abs(d) * sum(map(abs, residuals)) / 3)


def _moved(network, scale):
    moved = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in moved.parameters():
            weight += scale * torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
    return moved


@pytest.fixture
def singles(images):
    rainy, clean = images(4)
    return list(zip(rainy.split(1), clean.split(1), strict=True))


@pytest.mark.parametrize("loss", LOSSES)
def test_of_a_real_network_the_first_order_estimate_is_the_slope_of_finite_differences(loss, tiny, singles):
    then = tiny.double()
    now = _moved(then, 0.05)
    step, changes = 1e-6, []
    for sign in (1, -1):
        near = copy.deepcopy(then)
        with torch.no_grad():
            for weight, end in zip(near.parameters(), now.parameters(), strict=True):
                weight += sign * step * (end - weight)
            losses = [LOSSES[loss](near(x), y).item() for x, y in singles]
        changes.append(sum(losses) / len(losses))
    found = taylor(then, now, singles, LOSSES[loss])
    expected = (changes[0] - changes[1]) / (2 * step)
    assert found["first_order"] == pytest.approx(expected, rel=1e-4, abs=of_differences(found["loss_then"], step))


@pytest.mark.parametrize("scale", [1e-3, 0.3])
def test_the_bound_holds_and_is_omega_times_the_moves(scale, tiny, singles):
    then = tiny.double()
    now = _moved(then, scale)
    found = taylor(then, now, singles, LOSSES["negative_ssim"])
    assert 0 < abs(found["first_order"]) <= found["bound"]
    sums, count = importance_sum(then, singles, LOSSES["negative_ssim"])
    moves = {name: (now.get_parameter(name) - weight).abs() for name, weight in then.named_parameters()}
    expected = sum(float((sums[name] / count * moves[name]).sum().detach()) for name in moves)
    assert found["bound"] == pytest.approx(expected, rel=SHARP)


def test_the_smaller_the_move_the_nearer_the_estimate(tiny, singles):
    then = tiny.double()
    misses = []
    for scale in (1e-2, 1e-3, 1e-4):
        found = taylor(then, _moved(then, scale), singles, LOSSES["mse"])
        assert found["change"] == pytest.approx(found["loss_now"] - found["loss_then"], rel=SHARP)
        misses.append(abs(found["change"] / found["first_order"] - 1))
    assert misses[2] < 0.2 * misses[1] < 0.04 * misses[0]
    assert misses[2] < 1e-2


def test_where_nothing_moved_nothing_changed(tiny, singles):
    found = taylor(tiny, copy.deepcopy(tiny), singles, LOSSES["l1"])
    assert (found["change"], found["first_order"], found["bound"]) == (0, 0, 0)


def test_both_networks_are_left_as_they_were(tiny, singles):
    now = _moved(tiny, 0.1)
    before = [{name: weight.clone() for name, weight in network.state_dict().items()} for network in (tiny, now)]
    found = taylor(tiny, now, [(x.float(), y.float()) for x, y in singles], LOSSES["mse"])
    assert found["change"] != 0
    for network, kept in zip((tiny, now), before, strict=True):
        assert all(weight.dtype == torch.float32 and weight.grad is None for weight in network.parameters())
        assert all(torch.equal(kept[name], weight) for name, weight in network.state_dict().items())
