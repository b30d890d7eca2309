"""Time limits of cluster jobs, from the pace of the machines in training steps per minute. They influence no result.

The profile of a cluster sets the pace, and the longest time that a job may request, as default resources. Local runs
have no time limit.
"""

import sys
from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

from derain.engine.command import resource_value
from derain.errors import UserError

PACE, LONGEST = "steps_per_minute", "longest"
# Minutes to start Python and torch, to validate, and the last three, before which a job stops.
MARGIN = 15


class Pace:
    """Sets time limits. defaults: Snakemake's default resources, which may contain the pace (`steps_per_minute`) and
    the longest time limit (`longest`, minutes).
    """

    def __init__(self, defaults: Mapping[str, Any] | None) -> None:
        self.steps_per_minute, self.longest = (_whole_number(defaults or {}, name) for name in (PACE, LONGEST))
        self._reported = False

    def capped(self, minutes: int) -> int:
        """At most `longest`. The first time limit that is cut is reported in a line."""
        if self.longest is None or minutes <= self.longest:
            return minutes
        if not self._reported:
            print(
                f"notice: jobs request at most {self.longest} min ({LONGEST}), the first one instead of {minutes} min; "
                "trainings and Ω stop before, and their retries resume",
                file=sys.stderr,
            )
            self._reported = True
        return self.longest

    def runtime(self, steps: Callable[[Any], int]) -> dict[str, Callable[[Any, int], int]]:
        """Return the resource `runtime` of a rule in minutes; it grows with each attempt, up to `longest`.

        Without a pace the dict is empty, so that the default runtime holds, if there is one. steps: returns the
        training steps that a job with these wildcards is worth.
        """
        pace = self.steps_per_minute
        if pace is None:
            return {}
        return {"runtime": lambda wildcards, attempt: self.capped(attempt * (MARGIN + ceil(steps(wildcards) / pace)))}


def _whole_number(resources: Mapping[str, Any], name: str) -> int | None:
    if name not in resources:
        return None
    value = resource_value(resources[name])
    if not isinstance(value, int) or value < 1:
        raise UserError(f"default-resources: {name}: {value} is no whole number above 0")
    return value
