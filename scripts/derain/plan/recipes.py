"""Recipes: what decides a file, besides the files that it is made from.

The engine records the plain values of a job's recipe and reruns the job when they change. The job reads the same values
with the same class, which gives back what it was given.
"""

from math import ceil
from typing import Any

from pydantic import Field

from derain.config.sections import Importance, Section, Training

# Of recipes and of the files that they make. Another number makes all of them anew, and earlier ones are refused
# (derain.plan.earlier).
FORMAT = 2


class Recipe(Section):
    """code: digests of the modules that decide the result, by name (derain.plan.codedigest)."""

    code: dict[str, str]
    format: int = FORMAT

    def plain(self) -> dict[str, Any]:
        """As JSON values, without what is not there."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def steps(self) -> int:
        """The training steps that the job is worth at most; 0 where it has no network."""
        return 0


class DataRecipe(Recipe):
    """Of what is made from training pairs. datasets: digests of the pairs by dataset; depth: how many datasets the
    network has seen, with the seed what tells the random numbers of stages apart.
    """

    seed: int
    depth: int
    datasets: dict[str, str]


class TrainingRecipe(DataRecipe):
    """Of θ. network: a backbone and its options; initial_weights: digest of the weights that a network starts from,
    None where it starts from the seed or from the stage before; method: options of each ingredient that acts, by name.
    """

    network: dict[str, Any]
    training: Training
    initial_weights: str | None = None
    method: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Of the training."""
        return self.training.steps


class ImportanceRecipe(TrainingRecipe):
    """Of an Ω, or a shard of it: also what trained θ, since L is the training loss on patches like the training's."""

    importance: Importance

    @property
    def steps(self) -> int:
        """A gradient counts as a step."""
        return ceil(self.importance.patches / self.importance.shards)


class TheoryRecipe(TrainingRecipe):
    """Of the diagnostic of Eqs. 5–8. patches: of each earlier dataset."""

    patches: int

    @property
    def steps(self) -> int:
        """Of each earlier dataset, a gradient before and after."""
        return 2 * self.patches * len(self.datasets)


class StateRecipe(DataRecipe):
    """Of a state that one job makes from training patches and the state of the stage before. patch: side of the
    patches, pixels; options: the kind's section of the config; network, training: where it is made at θ.
    """

    patch: int
    options: dict[str, Any]
    network: dict[str, Any] | None = None
    training: Training | None = None


class AccumulationRecipe(Recipe):
    """Of a state accumulated over `datasets` earlier datasets and one more (derain.method.accumulation)."""

    how: str
    alpha: float
    datasets: int


class ChoiceRecipe(Recipe):
    """Of θ that is one of several candidates (derain.training.search). datasets: as of `DataRecipe`."""

    datasets: dict[str, str]
    scales: tuple[float, ...]
    give_up: float


class GivenRecipe(Recipe):
    """Of θ of a network that is only evaluated. initial_weights: their digest."""

    network: dict[str, Any]
    initial_weights: str


class EvaluationRecipe(Recipe):
    """Of scores. datasets: digests of the test pairs by dataset; previews: outputs that are kept to be looked at."""

    network: dict[str, Any]
    threads: int
    datasets: dict[str, str]
    rounding: tuple[str, ...]
    ssim: str
    previews: int
