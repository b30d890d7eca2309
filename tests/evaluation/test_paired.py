"""Intervals of paired differences, against SciPy's tests and by simulation."""

import math

import numpy as np
import pandas as pd
import pytest
from derain.evaluation.paired import compare, interval
from scipy import stats


def rows(scores, dataset="a", seed=0):
    """A row for each score; the images have their numbers as names."""
    names = [str(n) for n in range(len(scores))]
    return pd.DataFrame({"dataset": dataset, "image": names, "seed": seed, "score": scores})


def test_one_dataset_has_the_interval_of_the_paired_t_test():
    rng = np.random.default_rng(0)
    one, other = rng.normal(30, 3, 40), rng.normal(29, 3, 40)
    found = compare(rows(one), rows(other))
    expected = stats.ttest_rel(one, other).confidence_interval(0.95)
    assert found.over_images == pytest.approx((expected.low, expected.high))
    assert found.ahead == pytest.approx((one - other).mean())
    assert (found.images, found.seeds) == (40, 1)
    assert all(map(math.isnan, found.over_seeds))


def test_two_datasets_have_the_width_of_welchs_test():
    """The mean of two groups, x and y, is half of x − (−y), which Welch's test estimates."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(1, 0.5, 12), rng.normal(2, 4, 30)
    expected = stats.ttest_ind(x, -y, equal_var=False).confidence_interval(0.95)
    assert interval([x, y]) == pytest.approx((expected.low / 2, expected.high / 2))


def test_datasets_count_the_same_whatever_their_number_of_images():
    one = pd.concat([rows([31.0] * 10, "a"), rows([25.0, 25.0], "b")])
    other = pd.concat([rows([30.0] * 10, "a"), rows([27.0, 27.0], "b")])
    assert compare(one, other).ahead == pytest.approx((1 - 2) / 2)


def test_the_interval_covers_the_true_difference_as_often_as_it_says():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(2000):
        low, high = interval([rng.normal(0.1, 1, 9), rng.normal(0.3, 2, 6)])
        covered += low <= 0.2 <= high
    assert 0.93 < covered / 2000 < 0.98


def test_a_difference_is_beyond_noise_only_if_both_intervals_exclude_0():
    rng = np.random.default_rng(3)
    images = rng.normal(30, 3, 50)
    clear = rng.normal(1, 0.1, 50)
    assert compare(rows(images + clear), rows(images)).beyond_noise
    assert compare(rows(images), rows(images + clear)).beyond_noise  # behind, beyond noise
    assert not compare(rows(images + rng.normal(0, 1, 50)), rows(images)).beyond_noise
    seeds = [pd.concat([rows(images + shift, seed=n) for n, shift in enumerate(each)])
             for each in ((3.0, 0.1, 0.2), (0.0, 0.0, 0.0), (1.0, 1.1, 0.9))]  # fmt: skip
    unstable, base, stable = seeds
    assert not compare(unstable, base).beyond_noise
    found = compare(stable, base)
    assert found.beyond_noise
    expected = stats.ttest_1samp([1.0, 1.1, 0.9], 0).confidence_interval(0.95)
    assert found.over_seeds == pytest.approx((expected.low, expected.high))


def test_one_image_or_nothing_in_common_tells_nothing():
    found = compare(rows([31.0]), rows([30.0]))
    assert found.ahead == 1
    assert not found.beyond_noise
    assert math.isnan(compare(rows([31.0], "a"), rows([30.0], "b")).ahead)


def test_scores_of_several_orders_count_as_one_of_each_image():
    one = pd.concat([rows([30.0, 32.0, 31.0]), rows([32.0, 34.0, 35.0])])
    found = compare(one, rows([30.0, 30.0, 30.0]))
    assert found.images == 3
    assert found.ahead == pytest.approx(7 / 3)
