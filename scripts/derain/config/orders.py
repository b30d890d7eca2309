"""Orders of datasets, given as a list or by a rule."""

import random
from collections.abc import Mapping, Sequence
from itertools import permutations
from math import factorial
from typing import Any, Literal

from pydantic import Field, ValidationError

from derain.config.messages import fault_lines
from derain.config.values import Count, Names, Positive, Section

MOST = 10_000  # orders; each has stages of its own


class Orders(Section):
    """A rule for orders, instead of a list."""

    datasets: Names = Field(min_length=1, description="names of the datasets that each order contains")
    choose: Literal["all", "rotations", "random"] = Field(
        description="all: every permutation; rotations: of `datasets` as listed; random: `count` distinct permutations"
    )
    count: Positive = Field(default=3, description="with `choose: random`: number of orders, at most all there are")
    seed: Count = Field(default=0, description="with `choose: random`: seed of the draw")


def as_orders(given: Any) -> Any:
    """Expand a rule to its list of orders; anything but a mapping is returned unchanged. Raises ValueError."""
    if not isinstance(given, Mapping):
        return given
    try:
        rule = Orders.model_validate(given)
    except ValidationError as error:
        raise ValueError("\n".join(f".{line}" for line in fault_lines(error, Orders))) from None
    if (count := how_many(len(rule.datasets), rule.choose, rule.count)) > MOST:
        shown = f"{count:,}" if count < 10**18 else f"about 10^{len(str(count)) - 1}"
        raise ValueError(
            f".choose: {rule.choose!r} of {len(rule.datasets)} datasets makes {shown} orders, and at least as many "
            f"stages for each method, network and seed; more than {MOST:,} orders are not planned"
        )
    return choose_orders(rule.datasets, rule.choose, rule.count, rule.seed)


def how_many(datasets: int, choose: str, count: int) -> int:
    """The number of orders of `datasets` datasets that a rule gives."""
    if choose == "rotations":
        return datasets
    there_are = factorial(min(datasets, 1000))
    return there_are if choose == "all" else min(count, there_are)


def choose_orders(datasets: Sequence[str], choose: str, count: int, seed: int) -> list[tuple[str, ...]]:
    """Orders of the same datasets: "all" permutations, the "rotations" of the given order, or "random": `count`
    distinct permutations drawn with `seed` (all permutations if there are fewer).
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
