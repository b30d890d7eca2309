"""Recipes: everything that decides a file, except the files that it is made from.

Snakemake records the plain values of a job's recipe and reruns the job when they change. The job parses these values
with the same class, which returns them unchanged.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any

from pydantic import Field

from derain.config.methods import Importance
from derain.config.training import Training
from derain.config.values import Section

# Format of recipes and of the files made by them. A new number reruns all jobs, and derain.plan.earlier refuses earlier
# files.
FORMAT = 2
OWN_SOURCE = "backbone"  # among the digests of code: the source of a network class of the user's own


def of_another_source(recorded: Mapping[str, Any], digest: str) -> bool:
    """Whether the metadata of a θ say that its network class had another source than one with this digest."""
    code = recorded.get("code")
    return isinstance(code, dict) and code.get(OWN_SOURCE) not in (None, digest)


def copied_from(recorded: Mapping[str, Any]) -> str | None:
    """The digest of the given file whose weights a θ with these metadata has; None for one that was trained."""
    return None if "training" in recorded else recorded.get("initial_weights")


class Recipe(Section):
    """Base of all recipes. code: digests of the modules that decide the result, by name (derain.plan.codedigest)."""

    code: dict[str, str]
    format: int = FORMAT

    def plain(self) -> dict[str, Any]:
        """The recipe as JSON values, without fields that are None."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def steps(self) -> int:
        """Upper bound of the job's cost in training steps, for its time limit; 0 where it is not counted in steps."""
        return 0


class DataRecipe(Recipe):
    """Recipe of a file made from training pairs. datasets: digests of the pairs by dataset; seed, depth: they seed the
    random numbers; depth is the number of datasets that the network has seen.
    """

    seed: int
    depth: int
    datasets: dict[str, str]


class TrainingRecipe(DataRecipe):
    """Recipe of θ. network: a backbone and its options; initial_weights: digest of the file of initial weights, None
    for a start from the seed or from the stage before; method: options of each ingredient in use, by name.
    """

    network: dict[str, Any]
    training: Training
    initial_weights: str | None = None
    method: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @property
    def steps(self) -> int:
        """The steps of the training."""
        return self.training.steps


class ImportanceRecipe(TrainingRecipe):
    """Recipe of an Ω or a shard of it. It includes `training`, because L is the training loss on training patches."""

    importance: Importance

    @property
    def steps(self) -> int:
        """Upper bound of the number of gradients in a shard; each counts as a step."""
        return ceil(self.importance.patches / self.importance.shards)


class TheoryRecipe(TrainingRecipe):
    """Recipe of the diagnostic of Eqs. 5–8. patches: number of patches of each earlier dataset."""

    patches: int

    @property
    def steps(self) -> int:
        """Two for each patch: one for θⁿ, one for θ."""
        return 2 * self.patches * len(self.datasets)


class StateRecipe(DataRecipe):
    """Recipe of a state that one job makes from training patches and the state of the stage before. module: the module
    that makes it; patch: side of the patches, pixels; options: the config section of its kind; network, training: None
    unless θ is an input.
    """

    module: str
    patch: int
    options: dict[str, Any]
    network: dict[str, Any] | None = None
    training: Training | None = None


class AccumulationRecipe(Recipe):
    """Recipe of a state accumulated over `datasets` earlier datasets and one more (derain.method.accumulation)."""

    how: str
    alpha: float
    datasets: int


class ChoiceRecipe(Recipe):
    """Recipe of θ chosen among candidates (derain.training.search). datasets: as in `DataRecipe`."""

    datasets: dict[str, str]
    scales: tuple[float, ...]
    give_up: float


class BlendRecipe(Recipe):
    """Recipe of θ blended with θ of the stage before (derain.method.blend). datasets: as in `DataRecipe`; alphas:
    shares of the trained θ; give_up: as in `ChoiceRecipe`, None for the only share.
    """

    datasets: dict[str, str]
    network: dict[str, Any]
    threads: int
    alphas: tuple[float, ...]
    give_up: float | None = None


class GivenRecipe(Recipe):
    """Recipe of θ that was trained elsewhere. initial_weights: digest of the file."""

    network: dict[str, Any]
    initial_weights: str


class GivenImportanceRecipe(Recipe):
    """Recipe of an Ω of given weights that is given too. omega: digest of its file."""

    network: dict[str, Any]
    omega: str


class EvaluationRecipe(Recipe):
    """Recipe of scores. datasets: digests of the test pairs by dataset; tile: side of tiles, pixels; previews: number
    of previews of each dataset.
    """

    network: dict[str, Any]
    threads: int
    datasets: dict[str, str]
    rounding: tuple[str, ...]
    ssim: str
    tile: int
    previews: int


class ChordRecipe(EvaluationRecipe):
    """Recipe of the scores of a blend (derain.method.blend). alpha: share of the later θ; at_once: datasets learned at
    the first stage of the path, for the mean of Ω over the old datasets.
    """

    alpha: float
    at_once: int


class RestorationRecipe(Recipe):
    """Recipe of restored photographs, without the photographs. memory: limit of the job in bytes; None for a network
    with a finite reach, whose outputs no tiles change.
    """

    network: dict[str, Any]
    threads: int
    memory: int | None = None
