"""Merges shards of Ω, and accumulates Ω̄ over datasets: NumPy arrays, so that these jobs do not need torch."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Omega = dict[str, NDArray[np.float32]]


def merge(shards: Iterable[tuple[Mapping[str, NDArray[np.float64]], int]]) -> Omega:
    """Ω from (sum of |∂L/∂θ|, count) of disjoint shards: the mean over all summands; shards may differ in size."""
    totals: dict[str, NDArray[np.float64]] = {}
    summands = 0
    for sums, count in shards:
        summands += count
        totals = {name: totals.get(name, 0) + part for name, part in sums.items()}
    if summands == 0:
        raise ValueError("the importance needs at least one summand")
    return {name: (total / summands).astype(np.float32) for name, total in totals.items()}


def accumulate(past: Omega, new: Omega, datasets: int, how: str, alpha: float) -> Omega:
    """Ω̄ over `datasets` earlier datasets and one more.

    how: "mean" (n·Ω̄ + Ω)/(n + 1) (PIGWM) · "sum" Ω̄ + Ω · "exponential" α·Ω + (1 − α)·Ω̄ (Avalanche's MAS, α = 0.5) ·
    "maximum", weight by weight. n = `datasets`; only "exponential" uses alpha.
    """
    rules: dict[str, Callable[[Any, Any], Any]] = {
        "mean": lambda old, now: (datasets * old + now) / (datasets + 1),
        "sum": lambda old, now: old + now,
        "exponential": lambda old, now: alpha * now + (1 - alpha) * old,
        "maximum": np.maximum,
    }
    return {name: rules[how](past[name], new[name]).astype(np.float32) for name in past}
