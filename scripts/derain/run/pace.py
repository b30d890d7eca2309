"""Time limits of cluster jobs, from the pace of the machines in training steps per minute. They influence no result.

The profile of a cluster sets the pace as a default resource. Local runs have no time limit.
"""

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

from derain.errors import UserError
from derain.run.engine import resource_value

PACE = "steps_per_minute"
# Minutes to start Python and torch, to validate, and the last three, before which a job stops.
MARGIN = 15


class Pace:
    """Sets time limits. defaults: Snakemake's default resources, which may contain the pace as `steps_per_minute`."""

    def __init__(self, defaults: Mapping[str, Any] | None) -> None:
        self.steps_per_minute: int | None = None
        if defaults is not None and PACE in defaults:
            value = resource_value(defaults[PACE])
            if not isinstance(value, int) or value < 1:
                raise UserError(f"default-resources: {PACE}: {value} is no whole number above 0")
            self.steps_per_minute = value

    def runtime(self, steps: Callable[[Any], int]) -> dict[str, Callable[[Any, int], int]]:
        """Return the resource `runtime` of a rule in minutes; it grows with each attempt.

        Without a pace the dict is empty, so that the default runtime holds, if there is one. steps: returns the
        training steps that a job with these wildcards is worth.
        """
        pace = self.steps_per_minute
        if pace is None:
            return {}
        return {"runtime": lambda wildcards, attempt: attempt * (MARGIN + ceil(steps(wildcards) / pace))}
