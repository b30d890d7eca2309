"""Orders of datasets by rule."""

import random
from collections.abc import Sequence
from itertools import permutations
from math import factorial


def choose_orders(datasets: Sequence[str], choose: str, count: int, seed: int) -> list[tuple[str, ...]]:
    """Orders of the same datasets: "all" permutations, the "rotations" of the given order, or "random": `count`
    distinct permutations, drawn by `seed`; all there are where these are fewer.
    """
    if choose == "rotations":
        return [(*datasets[n:], *datasets[:n]) for n in range(len(datasets))]
    if choose == "all":
        return list(permutations(datasets))
    rng = random.Random(seed)  # noqa: S311 (no secret)
    drawn: dict[tuple[str, ...], None] = {}
    while len(drawn) < min(count, factorial(len(datasets))):
        drawn[tuple(rng.sample(datasets, len(datasets)))] = None
    return list(drawn)
