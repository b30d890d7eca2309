"""Which jobs a run starts first if more are ready than it has cores for: those that the longest chain of trainings
begins with. Priorities decide no result.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from derain.curriculum import JOINT, Stage, along

QUICK = 1000  # of jobs that take a second or two, and that others wait for: above every chain


class Urgency:
    """Priorities of jobs, as Snakemake takes them. stages: all of an experiment; passes: of a training step, by method
    (`Method.passes`), 1 for the methods that are not there.
    """

    def __init__(self, stages: Iterable[Stage], passes: Mapping[str, float]) -> None:
        self._passes = passes
        self._after: dict[Stage, float] = {}  # passes of the longest chain of stages after a stage
        for each in stages:
            length = 0.0
            for stage in reversed(along(each)):
                self._after[stage] = max(length, self._after.get(stage, 0))
                length += self._own(stage)

    def _own(self, stage: Stage) -> float:
        """Of its training. A joint training takes as long as a chain of its datasets."""
        return len(stage.datasets) if stage.method == JOINT else self._passes.get(stage.method, 1)

    def training(self, wildcards: Any) -> float:
        """Of a training: the length of the longest chain of stages that begins with it."""
        of = Stage.of_path(wildcards.stage)
        return self._own(of) + self._after.get(of, 0)

    def state(self, wildcards: Any) -> float:
        """Of Ω or a memory of a stage: above the trainings that do not wait for it."""
        return self.training(wildcards) + 0.5

    def scores(self, wildcards: Any) -> float:
        """Of the scores of a stage: below the training of the next one, above the trainings after that."""
        return self._after.get(Stage.of_path(wildcards.stage), 0) - 0.5
