import numpy as np
import pytest
from derain.method.accumulation import accumulate, merge
from precision import of_roundings

pytestmark = pytest.mark.numerical
# Sums of what is nowhere negative, so that relative errors add up: at most two factors, two products and their sum a
# dataset.
ROUNDING = of_roundings(3 * 5)


def _omegas(n):
    rng = np.random.default_rng(0)
    return [{"a": rng.random((2, 3)).astype(np.float32), "b": rng.random(4).astype(np.float32)} for _ in range(n)]


def _chain(omegas, how, alpha=0.5):
    """Ω̄ as the workflow builds it: that of the predecessor and the new one, stage after stage."""
    accumulated = omegas[0]
    for seen, new in enumerate(omegas[1:], start=1):
        accumulated = accumulate(accumulated, new, seen, how, alpha)
    return accumulated


@pytest.mark.parametrize(
    ("how", "closed_form"),
    [
        ("mean", lambda x: (x[0] + x[1] + x[2] + x[3]) / 4),
        ("sum", lambda x: x[0] + x[1] + x[2] + x[3]),
        ("exponential", lambda x: 0.2 * x[3] + 0.16 * x[2] + 0.128 * x[1] + 0.512 * x[0]),
        ("maximum", lambda x: np.sort(np.stack(x), axis=0)[-1]),
    ],
)
def test_accumulation_over_four_datasets_is_its_closed_form(how, closed_form):
    omegas = _omegas(4)
    accumulated = _chain(omegas, how, alpha=0.2)
    for name, found in accumulated.items():
        exact = closed_form([omega[name].astype(np.float64) for omega in omegas])
        np.testing.assert_allclose(found, exact, rtol=ROUNDING)
        assert found.dtype == np.float32


def test_the_running_mean_over_three_datasets_weighs_each_the_same():
    omegas = _omegas(3)
    for name, found in _chain(omegas, "mean").items():
        np.testing.assert_allclose(
            found, np.mean([omega[name] for omega in omegas], axis=0, dtype=np.float64), rtol=ROUNDING
        )


def test_the_four_accumulations_differ():
    found = [_chain(_omegas(3), how)["a"] for how in ("mean", "sum", "exponential", "maximum")]
    assert all(not np.allclose(x, y, rtol=0.01, atol=0) for n, x in enumerate(found) for y in found[:n])


def test_accumulate_leaves_its_arguments_as_they_were():
    past, new = _omegas(2)
    accumulate(past, new, 1, "maximum", 0.5)
    for changed, original in zip((past, new), _omegas(2), strict=True):
        for name in original:
            np.testing.assert_array_equal(changed[name], original[name])


def test_merge_is_the_mean_over_all_samples_and_not_over_shards():
    merged = merge([({"w": np.array([6.0, 0.0])}, 3), ({"w": np.array([2.0, 1.0])}, 1), ({"w": np.zeros(2)}, 0)])
    np.testing.assert_array_equal(merged["w"], np.array([2.0, 0.25], np.float32))
    assert merged["w"].dtype == np.float32


def test_merge_without_summands_is_refused():
    with pytest.raises(ValueError, match="summand"):
        merge([({"w": np.zeros(2)}, 0)])
