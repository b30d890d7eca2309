"""What is measured on stages: scores, scores of blends, the diagnostic of Eqs. 5–8, restored photographs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from derain.config.experiment import Experiment
from derain.curriculum import FIRST, PREVIEWS, SCORES, THEORY_TABLE, THETA, Stage, along, number_in_path
from derain.plan.artifacts import Artifact, Artifacts
from derain.plan.datasets import pixels, rainy_scores, tables
from derain.plan.recipes import ChordRecipe, EvaluationRecipe, Recipe, RestorationRecipe, TheoryRecipe

# The page that compares the photographs that a stage restores, in the folder of the outputs derived from stages.
COMPARISON = "photographs/{stage}/restored/compare/index.html"


class Blend(NamedTuple):
    """A blend of a stage with the one before it. importance: the kind of Ω that weights it, None for a plain blend."""

    importance: str | None
    alpha: float

    @property
    def rule(self) -> str:
        """The rule that scores it."""
        return "chord_weighted" if self.importance else "chord"

    @property
    def file(self) -> str:
        """Path of its scores, relative to the folder of the stage."""
        of_kind = f"omega-{self.importance}-" if self.importance else ""
        return f"chord/{of_kind}alpha-{number_in_path(self.alpha)}.csv"


@dataclass(frozen=True)
class Measured:
    """What one job measures on a stage. rule: of the job; files: its outputs; inputs: by the name of the rule's
    input.
    """

    rule: str
    files: tuple[str, ...]
    recipe: Recipe
    inputs: Mapping[str, str | list[str]]

    @property
    def made_from(self) -> list[str]:
        """The θ and Ω among the inputs."""
        each = [file for files in self.inputs.values() for file in ([files] if isinstance(files, str) else files)]
        return [file for file in each if file.endswith(".safetensors")]


class Measurements:
    """What can be measured on the stages of an experiment."""

    def __init__(self, experiment: Experiment, artifacts: Artifacts) -> None:
        self.experiment, self.artifacts = experiment, artifacts

    @property
    def folder(self) -> str:
        """Folder of all outputs derived from stages: results/<name> for an experiment with a name, else results."""
        return f"results/{self.experiment.name}" if self.experiment.name else "results"

    def scores(self, of: Stage, part: str) -> Measured:
        """Scores and previews of a stage by one of its scoring jobs."""
        fields, datasets = self._scoring(of.network, "evaluate"), self.scored(of.network, part)
        recipe = EvaluationRecipe(
            **fields, datasets=self.artifacts.pairs(datasets, "test"), previews=self.experiment.evaluation.previews
        )
        files = tuple(of.file(pattern.format(part=part)) for pattern in (SCORES, PREVIEWS))
        stores = {"tables": tables(datasets, "test"), "pixels": pixels(datasets, "test")}
        inputs: dict[str, str | list[str]] = {**stores, "rainy": rainy_scores(datasets), "theta": of.file(THETA)}
        return Measured("evaluate", files, recipe, inputs)

    def parts(self, network: str) -> list[str]:
        """The names of the scoring jobs of a network's stage: "all", or each dataset with `evaluation.split`."""
        return self.experiment.scored_on(network) if self.experiment.evaluation.split else ["all"]

    def scored(self, network: str, part: str) -> list[str]:
        """The datasets of a scoring job, sorted, so that their order in the config does not matter."""
        return sorted(self.experiment.scored_on(network)) if part == "all" else [part]

    def blended(self, of: Stage, blend: Blend) -> Measured:
        """Scores of a blend of a stage with the one before: on the test pairs of its datasets."""
        datasets = self.artifacts.pairs(of.datasets, "test")
        fields = self._scoring(of.network, "chord") | {"datasets": datasets, "previews": 0}
        recipe = ChordRecipe(**fields, alpha=blend.alpha, at_once=of.at_once)
        inputs = {
            "thetas": [each.file(THETA) for each in along(of)[-2:]],
            "omegas": [omega.file for omega in self.omegas(of)] if blend.importance else [],
            "tables": tables(of.datasets, "test"),
            "pixels": pixels(of.datasets, "test"),
        }
        return Measured(blend.rule, (of.file(blend.file),), recipe, inputs)

    def omegas(self, of: Stage) -> list[Artifact]:
        """Ω of each stage along a path, of the kind that weights blends; none without such a kind."""
        kind = self.experiment.evaluation.chord_importance
        return [self.artifacts.importance(each, kind) for each in along(of)] if kind else []

    def theory(self, of: Stage) -> Measured:
        """The diagnostic of a stage: from its θ and all before, on training pairs of its earlier datasets."""
        first = Stage(of.network, of.seed, FIRST, of.datasets[:1])  # depth 1 seeds the patches of all earlier datasets
        earlier = self.artifacts.earlier(of)
        fields = self.artifacts.training_fields("theory", first, earlier)
        recipe = TheoryRecipe(**fields, patches=self.experiment.evaluation.theory_patches)
        inputs = {
            "thetas": [each.file(THETA) for each in along(of)],
            "tables": tables(earlier, "training"),
            "pixels": pixels(earlier, "training"),
        }
        return Measured("theory", (of.file(THEORY_TABLE),), recipe, inputs)

    def restoration(self, of: Stage) -> Measured:
        """The user's photographs, restored by a stage. They are no part of the recipe."""
        photographs = self.experiment.photographs
        assert photographs
        recipe = RestorationRecipe(
            code=self.artifacts.code(of.network, "derain.restoration.files"),
            network=self.artifacts.network(of.network),
            threads=self.experiment.training.threads,
            memory=None if self.experiment.networks[of.network].FINITE_REACH else photographs.memory,
        )
        page = f"{self.folder}/{COMPARISON.format(stage=of.path)}"
        return Measured("restore", (page,), recipe, {"theta": of.file(THETA)})

    def _scoring(self, network: str, script: str) -> dict[str, Any]:
        """The recipe fields of every job that scores outputs of a network."""
        evaluation = self.experiment.evaluation
        return {
            "code": self.artifacts.code(network, script),
            "network": self.artifacts.network(network),
            "threads": self.experiment.training.threads,
            "rounding": tuple(sorted(evaluation.rounding)),
            "ssim": evaluation.ssim,
            "tile": evaluation.tile,
        }
