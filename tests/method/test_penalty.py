import math

import pytest
import torch
from derain.method.penalty import SMOOTHING, Penalty
from precision import SHARP, of_differences
from torch import nn

pytestmark = pytest.mark.numerical

FORMS = ("absolute", "squared", "pigwm")


class Weights(nn.Module):
    """A network that is nothing but its weights."""

    def __init__(self, **table):
        super().__init__()
        for name, weight in table.items():
            self.register_parameter(name, nn.Parameter(torch.as_tensor(weight, dtype=torch.float64).clone()))


def _random(seed, scale=1.0, positive=False, shapes=((3, 4), (5,))):
    generator = torch.Generator().manual_seed(seed)
    table = {f"w{n}": scale * torch.randn(*s, generator=generator, dtype=torch.float64) for n, s in enumerate(shapes)}
    return {name: weight.abs() for name, weight in table.items()} if positive else table


def _at(theta_star, move):
    return Weights(**{name: theta_star[name] + move[name] for name in theta_star})


def _formula(form, theta_star, omega, move, normalisation):
    """The table of the module's docstring, one weight after the other."""
    stars = [x for tensor in theta_star.values() for x in tensor.flatten().tolist()]
    delta = math.sqrt(math.fsum(x * x for x in stars) / len(stars)) if normalisation == "loss_units" else 1.0
    total = 0.0
    for name in theta_star:
        terms = list(zip(omega[name].flatten().tolist(), move[name].flatten().tolist(), strict=True))
        bound = math.fsum(o * delta * abs(d) / delta for o, d in terms)
        total += {
            "absolute": bound,
            "squared": 0.5 * math.fsum(o * d * d for o, d in terms) / delta,
            "pigwm": 0.5 * bound + 0.5 * bound * bound,
        }[form]
    return total


@pytest.mark.parametrize("normalisation", ["loss_units", "none"])
@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_its_formula(form, normalisation, monkeypatch):
    monkeypatch.setattr("derain.method.penalty.SMOOTHING", 0.0)
    theta_star, omega, move = _random(1, 0.1), _random(2, positive=True), _random(3, 0.02)
    found = Penalty(theta_star, omega, form, normalisation)(_at(theta_star, move)).item()
    assert found == pytest.approx(_formula(form, theta_star, omega, move, normalisation), rel=SHARP)


@pytest.mark.parametrize("normalisation", ["loss_units", "none"])
def test_absolute_is_below_the_true_bound_by_less_than_the_smoothing_of_every_weight(normalisation):
    theta_star, omega = _random(1, 0.1), _random(2, positive=True)
    penalty = Penalty(theta_star, omega, "absolute", normalisation)
    for scale in (1e-6, 1e-3, 1.0):
        move = _random(3, scale)
        gap = _formula("absolute", theta_star, omega, move, normalisation) - penalty(_at(theta_star, move)).item()
        assert 0 < gap <= SMOOTHING * penalty.delta * float(sum(o.sum() for o in omega.values()))


@pytest.mark.parametrize("normalisation", ["loss_units", "none"])
@pytest.mark.parametrize("form", FORMS)
def test_at_theta_star_penalty_and_gradient_are_zero_and_finite(form, normalisation):
    theta_star, omega = _random(1), _random(2, positive=True)
    network = Weights(**theta_star)
    value = Penalty(theta_star, omega, form, normalisation)(network)
    value.backward()
    assert value.item() == 0
    assert all(torch.equal(weight.grad, torch.zeros_like(weight)) for weight in network.parameters())


@pytest.mark.parametrize("scale", [1e-4, 0.05])
@pytest.mark.parametrize("normalisation", ["loss_units", "none"])
@pytest.mark.parametrize("form", FORMS)
def test_away_from_theta_star_the_gradient_is_that_of_finite_differences_and_nowhere_zero(form, normalisation, scale):
    theta_star, omega, move = _random(1, 0.1), _random(2, positive=True), _random(3, scale)
    penalty = Penalty(theta_star, omega, form, normalisation)
    network = _at(theta_star, move)
    penalty(network).backward()
    step = min(1e-6, 1e-3 * scale)
    for weight in network.parameters():
        assert weight.grad.abs().min() > 0
        flat = weight.data.view(-1)
        for index in range(len(flat)):
            before = float(flat[index])
            flat[index] = before + step
            up = penalty(network).item()
            flat[index] = before - step
            down = penalty(network).item()
            flat[index] = before
            expected, rounding = (up - down) / (2 * step), of_differences(up, step)
            assert float(weight.grad.view(-1)[index]) == pytest.approx(expected, rel=1e-5, abs=rounding)


@pytest.mark.parametrize("form", FORMS)
def test_unimportant_weights_are_free(form):
    theta_star, move = _random(1), _random(3)
    omega = {name: torch.zeros_like(weight) for name, weight in theta_star.items()}
    assert Penalty(theta_star, omega, form, "none")(_at(theta_star, move)).item() == 0


@pytest.mark.parametrize("form", ["absolute", "squared"])
def test_a_loss_of_c_times_the_size_makes_the_penalty_c_times_as_large(form):
    theta_star, omega, move = _random(1), _random(2, positive=True), _random(3)
    scaled = {name: 7 * weight for name, weight in omega.items()}
    for normalisation in ("loss_units", "none"):
        one, seven = (
            Penalty(theta_star, o, form, normalisation)(_at(theta_star, move)).item() for o in (omega, scaled)
        )
        assert seven == pytest.approx(7 * one, rel=SHARP)


@pytest.mark.parametrize("form", FORMS)
def test_in_loss_units_a_network_of_c_times_the_weights_and_moves_has_the_same_penalty(form):
    """With weights c·θ the same loss has gradients Ω/c."""
    theta_star, omega, move, c = _random(1), _random(2, positive=True), _random(3), 5.0
    larger = [{name: factor * w for name, w in table.items()} for table, factor in ((theta_star, c), (move, c))]
    smaller_omega = {name: weight / c for name, weight in omega.items()}
    one = Penalty(theta_star, omega, form, "loss_units")(_at(theta_star, move)).item()
    other = Penalty(larger[0], smaller_omega, form, "loss_units")(_at(*larger)).item()
    assert other == pytest.approx(one, rel=SHARP)
    if form == "squared":  # what the normalisation is for
        unscaled = Penalty(larger[0], smaller_omega, form, "none")(_at(*larger)).item()
        assert unscaled == pytest.approx(
            c * Penalty(theta_star, omega, form, "none")(_at(theta_star, move)).item(), rel=SHARP
        )


@pytest.mark.parametrize("form", ["absolute", "squared"])
def test_in_loss_units_a_network_with_every_weight_twice_over_and_half_the_gradient_each_has_the_same_penalty(form):
    theta_star, omega, move = _random(1), _random(2, positive=True), _random(3)
    twice = [{name: torch.cat((w, w)) for name, w in table.items()} for table in (theta_star, move)]
    half = {name: torch.cat((w, w)) / 2 for name, w in omega.items()}
    one = Penalty(theta_star, omega, form, "loss_units")(_at(theta_star, move)).item()
    assert Penalty(twice[0], half, form, "loss_units")(_at(*twice)).item() == pytest.approx(one, rel=SHARP)


@pytest.mark.parametrize("normalisation", ["loss_units", "none"])
@pytest.mark.parametrize("form", FORMS)
def test_only_pigwm_changes_when_a_tensor_is_split_in_two(form, normalisation):
    tables = _random(1), _random(2, positive=True), _random(3)
    split = [{"a": t["w0"][:1], "b": t["w0"][1:], "w1": t["w1"]} for t in tables]
    values = [
        Penalty(star, omega, form, normalisation)(_at(star, move)).item() for star, omega, move in (tables, split)
    ]
    if form == "pigwm":
        assert values[1] < 0.99 * values[0]  # S₁² + S₂² < (S₁ + S₂)²
    else:
        assert values[1] == pytest.approx(values[0], rel=SHARP)


def test_omega_of_another_network_is_refused():
    theta_star = _random(1)
    for wrong in (
        {"w0": theta_star["w0"]},
        theta_star | {"w2": torch.ones(1)},
        {"w0": theta_star["w0"], "v1": theta_star["w1"]},
        theta_star | {"w0": theta_star["w0"].T},
    ):
        with pytest.raises(ValueError, match="network"):
            Penalty(theta_star, wrong, "squared", "none")


def test_strength_times_one_step_of_gradient_descent_on_squared_pulls_each_weight_back_by_its_importance():
    theta_star, omega, move = _random(1), _random(2, positive=True), _random(3)
    network = _at(theta_star, move)
    Penalty(theta_star, omega, "squared", "none")(network).backward()
    for name, weight in network.named_parameters():
        torch.testing.assert_close(weight.grad, omega[name] * move[name], rtol=SHARP, atol=0)
