"""How long a job may take where somebody set a pace, as a cluster needs it. Nothing here decides a result.

Locally nothing limits a job. A profile for a cluster tells, among its default resources, how fast its machines are.
"""

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

from derain.errors import UserError

PACE = "steps_per_minute"
# Minutes for what is no step: starting Python and torch, validation, and the three that a job keeps for its end.
BESIDES = 15


class Pace:
    """defaults: the engine's default resources; `steps_per_minute`, where it is one of them, is the pace."""

    def __init__(self, defaults: Mapping[str, Any] | None) -> None:
        self.steps_per_minute: int | None = None
        if defaults is not None and PACE in defaults:
            told = defaults[PACE]
            # What is no whole number is an expression, which has no value yet.
            if not isinstance(told.raw, int) or told.raw < 1:
                raise UserError(f"default-resources: {PACE}: {told.raw} is no whole number above 0")
            self.steps_per_minute = told.raw

    def runtime(self, steps: Callable[[Any], int]) -> dict[str, Callable[[Any, int], int]]:
        """The resource `runtime` of a rule, minutes, more at each attempt; none without a pace, so that a default or
        no limit holds. steps: that a job is worth, by its wildcards.
        """
        pace = self.steps_per_minute
        if pace is None:
            return {}
        return {"runtime": lambda wildcards, attempt: attempt * (BESIDES + ceil(steps(wildcards) / pace))}
