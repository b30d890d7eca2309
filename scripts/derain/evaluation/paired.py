"""Paired comparison of two networks by their scores of the same test images: difference and 95 % intervals.

Each dataset counts the same, whatever its number of images, as in the average over datasets. Two intervals are
computed: over test images, which would be others, and over seeds, if there are several.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit  # scipy.stats takes half a second to import

CONFIDENCE = 0.95
Interval = tuple[float, float]
UNKNOWN: Interval = (float("nan"), float("nan"))


@dataclass(frozen=True)
class Comparison:
    """How far one network is ahead of another: mean difference, intervals over images and over seeds (NaN if unknown).

    images, seeds: how many of them both networks have.
    """

    ahead: float
    over_images: Interval = UNKNOWN
    over_seeds: Interval = UNKNOWN
    images: int = 0
    seeds: int = 0

    @property
    def beyond_noise(self) -> bool:
        """Whether 0 is outside the interval over images and, with several seeds, outside the one over seeds."""
        return all(_excludes_zero(each) for each in (self.over_images, *[self.over_seeds] * (self.seeds > 1)))


def compare(one: pd.DataFrame, other: pd.DataFrame) -> Comparison:
    """Compare two networks.

    one, other: a row for each score, with seed, dataset, image and `score`; an image that has several rows of a seed
    (of several orders) counts with their mean. Only what both have is compared.
    """
    keys = ["dataset", "image", "seed"]
    scores = [table.groupby(keys, sort=False)["score"].mean() for table in (one, other)]
    rows = (scores[0] - scores[1]).dropna().reset_index()
    if rows.empty:
        return Comparison(float("nan"))
    of_images = [group.to_numpy() for _, group in _by(rows, ["dataset", "image"]).groupby("dataset")]
    of_seeds = _by(_by(rows, ["seed", "dataset"]).reset_index(), ["seed"]).to_numpy()
    ahead = float(np.mean([each.mean() for each in of_images]))
    images = sum(map(len, of_images))
    return Comparison(ahead, interval(of_images), interval([of_seeds]), images, len(of_seeds))


def _by(rows: pd.DataFrame, keys: list[str]) -> pd.Series:
    return rows.groupby(keys, sort=False)["score"].mean()


def interval(groups: Sequence[NDArray[np.float64]]) -> Interval:
    """Return the t interval of the mean of group means; NaN if a group has fewer than 2 values.

    The variance of the mean of D groups is Σ s²/(n D²). Its degrees of freedom are those of Welch and Satterthwaite,
    n − 1 for a single group.
    """
    if not groups or any(len(each) < 2 for each in groups):
        return UNKNOWN
    mean = float(np.mean([each.mean() for each in groups]))
    parts = np.array([each.var(ddof=1) / len(each) for each in groups]) / len(groups) ** 2
    variance = float(parts.sum())
    if variance == 0:
        return mean, mean
    freedom = variance**2 / sum(part**2 / (len(each) - 1) for part, each in zip(parts, groups, strict=True))
    half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * variance**0.5
    return mean - half, mean + half


def _excludes_zero(bounds: Interval) -> bool:
    return bounds[0] > 0 or bounds[1] < 0
