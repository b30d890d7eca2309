"""Blends of two θ: exact values in rational numbers, and of the weighted blend the minimum that a solver finds."""

from fractions import Fraction

import numpy as np
import pytest
from derain.method.blend import blended
from scipy.optimize import minimize

ALPHAS = [0.1, 0.25, 0.5, 0.9]


@pytest.fixture
def thetas():
    rng = np.random.default_rng(3)
    return tuple(
        {"conv.weight": rng.normal(size=(3, 4)).astype(np.float32), "conv.bias": rng.normal(size=3).astype(np.float32)}
        for _ in range(2)
    )


@pytest.fixture
def omegas():
    rng = np.random.default_rng(4)
    return tuple(
        {"conv.weight": rng.exponential(size=(3, 4)).astype(np.float32), "conv.bias": rng.exponential(size=3)}
        for _ in range(2)
    )


@pytest.mark.parametrize("alpha", ALPHAS)
def test_a_plain_blend_is_the_mean_of_the_weights_rounded_once_to_float32(alpha, thetas):
    before, after = thetas
    found = blended(before, after, alpha)
    share = Fraction(alpha)
    for name, array in found.items():
        assert array.dtype == np.float32
        for each, a, b in zip(array.ravel(), before[name].ravel(), after[name].ravel(), strict=True):
            error = Fraction(float(each)) - (1 - share) * Fraction(float(a)) - share * Fraction(float(b))
            of_float64 = 4 * (abs(float(a)) + abs(float(b))) * 2.0**-53  # 1 − α, two products, their sum
            assert abs(error) <= Fraction(float(np.spacing(np.abs(each)))) / 2 + Fraction(of_float64)


def test_its_ends_are_both_thetas_and_equal_weights_stay_equal(thetas):
    before, after = thetas
    before["conv.bias"][0], after["conv.bias"][0] = 1e30, 1e-30
    for alpha, theta in ((0, before), (1, after)):
        for name, array in blended(before, after, alpha).items():
            assert np.array_equal(array, theta[name])
    for alpha in ALPHAS:
        for name, array in blended(after, after, alpha).items():
            assert np.array_equal(array, after[name])


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_weighted_blend_minimises_the_sum_of_both_quadratic_penalties(alpha, thetas, omegas):
    before, after = ({name: array.astype(float) for name, array in theta.items()} for theta in thetas)
    found = blended(before, after, alpha, omegas)

    def flat(arrays):
        return np.concatenate([arrays[name].ravel() for name in before]).astype(float)

    def penalties(theta):
        old, new = flat(omegas[0]) * (theta - flat(before)) ** 2, flat(omegas[1]) * (theta - flat(after)) ** 2
        return (1 - alpha) * 0.5 * old.sum() + alpha * 0.5 * new.sum()

    solved = minimize(penalties, np.zeros(len(flat(before))), method="BFGS", options={"gtol": 1e-9})
    # The solver differentiates by finite differences, of about the root of the rounding.
    np.testing.assert_allclose(flat(found), solved.x, atol=1e-5)
    assert np.abs(flat(found) - flat(blended(before, after, alpha))).max() > 0.1
    exact = penalties(flat(found))
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert penalties(flat(found) + 1e-3 * rng.normal(size=len(solved.x))) > exact


def test_an_omega_of_0_leaves_the_weight_to_the_other_side_and_two_leave_the_plain_blend(thetas, omegas):
    (before, after), (old, new) = thetas, omegas
    old["conv.bias"][:2], new["conv.bias"][1:] = 0, 0
    found, plain = blended(before, after, 0.25, (old, new)), blended(before, after, 0.25)
    assert found["conv.bias"].tolist() == [after["conv.bias"][0], plain["conv.bias"][1], before["conv.bias"][2]]


def test_buffers_have_no_omega_and_those_that_are_no_floats_are_the_later_ones(thetas, omegas):
    before, after = thetas
    before |= {"norm.mean": np.float32([1, 2]), "norm.count": np.array(3)}
    after |= {"norm.mean": np.float32([3, 6]), "norm.count": np.array(7)}
    found = blended(before, after, 0.25, omegas)
    assert found["norm.mean"].tolist() == [1.5, 3]
    assert found["norm.count"] == 7
    assert found["norm.count"].dtype == after["norm.count"].dtype
