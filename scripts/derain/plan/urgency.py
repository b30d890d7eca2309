"""Which jobs a run starts first if more are ready than it has cores for: those that the longest chain of trainings
waits for. Priorities decide no result.
"""

from collections.abc import Iterable
from typing import Any

from derain.curriculum import JOINT, Stage, along, predecessor

QUICK = 1000  # of jobs that take a second or two, and that others wait for: above every chain


class Urgency:
    """Priorities of jobs, as Snakemake takes them. stages: all of an experiment."""

    def __init__(self, stages: Iterable[Stage]) -> None:
        self._after: dict[Stage, int] = {}
        for each in filter(predecessor, stages):
            for length, before in enumerate(reversed(along(each)[:-1]), start=1):
                self._after[before] = max(length, self._after.get(before, 0))

    def training(self, wildcards: Any) -> float:
        """Of a training: the length of the longest chain of stages after it. A joint training takes as long as a chain
        of its datasets.
        """
        of = Stage.of_path(wildcards.stage)
        return len(of.datasets) - 1 if of.method == JOINT else self._after.get(of, 0)

    def state(self, wildcards: Any) -> float:
        """Of Ω or a memory of a stage: above the trainings that do not wait for it."""
        return self._after.get(Stage.of_path(wildcards.stage), 0) + 0.5

    def scores(self, wildcards: Any) -> float:
        """Of the scores of a stage: below its training, above the trainings after the next one."""
        return self._after.get(Stage.of_path(wildcards.stage), 0) - 0.5
