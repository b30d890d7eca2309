"""Orders of datasets, one by one or by rule."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import permutations
from math import factorial
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from derain.config.messages import fault_lines
from derain.config.sections import Count, Positive, Section


class Orders(Section):
    """Orders by rule instead of one by one."""

    datasets: tuple[str, ...] = Field(min_length=1)
    choose: Literal["all", "rotations", "random"]
    count: Positive = Field(default=3, description="how many random orders")
    seed: Count = Field(default=0, description="of the random orders")

    @field_validator("datasets")
    @classmethod
    def _stand_once(cls, datasets: tuple[str, ...]) -> tuple[str, ...]:
        twice = [name for name, k in Counter(datasets).items() if k > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} stands twice")
        return datasets


def as_orders(given: Any) -> Any:
    """A rule for orders as the list of orders that it stands for."""
    if not isinstance(given, Mapping):
        return given
    try:
        rule = Orders.model_validate(given)
    except ValidationError as error:
        raise ValueError("\n".join(f".{line}" for line in fault_lines(error, Orders))) from None
    return choose_orders(rule.datasets, rule.choose, rule.count, rule.seed)


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
