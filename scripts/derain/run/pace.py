"""The time limit of a job on a cluster, from the pace of its machines. Nothing here decides a result.

Locally nothing limits a job. The profile of a cluster states the pace among its default resources.
"""

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

from derain.errors import UserError
from derain.run.engine import resource_value

PACE = "steps_per_minute"
# Minutes: to start Python and torch, to validate, and the three that a job keeps for its end.
MARGIN = 15


class Pace:
    """defaults: Snakemake's default resources; `steps_per_minute` is the pace, if it is one of them."""

    def __init__(self, defaults: Mapping[str, Any] | None) -> None:
        self.steps_per_minute: int | None = None
        if defaults is not None and PACE in defaults:
            value = resource_value(defaults[PACE])
            if not isinstance(value, int) or value < 1:
                raise UserError(f"default-resources: {PACE}: {value} is no whole number above 0")
            self.steps_per_minute = value

    def runtime(self, steps: Callable[[Any], int]) -> dict[str, Callable[[Any, int], int]]:
        """The resource `runtime` of a rule, minutes, more at each attempt; none without a pace, so that a default or
        no limit holds. steps: that a job is worth, by its wildcards.
        """
        pace = self.steps_per_minute
        if pace is None:
            return {}
        return {"runtime": lambda wildcards, attempt: attempt * (MARGIN + ceil(steps(wildcards) / pace))}
