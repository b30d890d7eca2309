"""The plan of an experiment: its stages, their files, and inputs and recipes of jobs, for the rules.

Paths are relative to the working directory of the workflow. `wildcards` are those of a rule: `stage` is the path of a
stage below `results/stages/`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from derain.config.datasets import Rendered
from derain.config.experiment import Experiment
from derain.curriculum import (
    GIVEN,
    INDIVIDUAL,
    JOINT,
    THETA,
    TRAINING_TABLE,
    Stage,
    paths_of,
    paths_with_past,
    predecessor,
    prefixes,
    stage,
)
from derain.data.samples import USES
from derain.data.sources import Sources
from derain.method.ingredients import INGREDIENTS, STATES
from derain.plan.artifacts import SHARDS, TRAININGS, Artifact, Artifacts, all_of
from derain.plan.datasets import checks, contact_sheets, pixels, rainy_scores, tables
from derain.plan.measured import Blend, Measured, Measurements
from derain.plan.recipes import Recipe


class Plan:
    """The files and recipes of one experiment. Without `sources`, digests of pairs in recipes are empty."""

    def __init__(self, experiment: Experiment, sources: Sources | None = None) -> None:
        self.experiment, self.sources = experiment, sources
        self.artifacts = artifacts = Artifacts(experiment, sources)
        self.theta = Making(lambda at: artifacts.theta(_stage(at)))
        self.candidate = Making(lambda at: artifacts.candidate(_stage(at), float(at.scale)))
        self.importance = Making(lambda at: artifacts.importance(_stage(at), at.importance))
        self.importance_shard = Making(lambda at: artifacts.shard(_stage(at), at.importance, int(at.shard)))
        self.accumulated = Making(lambda at: artifacts.carried(_stage(at), _stage(at).method)["omega"])
        self.state = Making(self._state)
        self.measurements = measurements = Measurements(experiment, artifacts)
        self.scores = Making(lambda at: measurements.scores(_stage(at), at.part))
        self.chord = Making(lambda at: measurements.blended(_stage(at), Blend(at.get("importance"), float(at.alpha))))
        self.theory = Making(lambda at: measurements.theory(_stage(at)))
        self.restoration = Making(lambda at: measurements.restoration(_stage(at)))
        # Artifacts that rules `take` and `take_shard` copy from the stage store.
        self.trained_theta = Making(lambda at: self.made[f"results/{at.trained}/{THETA}"])
        self.trained_shard = Making(lambda at: self.made[f"results/{at.omega}.safetensors"])

    def _state(self, wildcards: Any) -> Artifact:
        """A state that rule `state` makes. wildcards.of_kind: "-" and its kind after a first stage, else empty."""
        of, kind = _stage(wildcards), wildcards.of_kind.removeprefix("-")
        if kind:
            return self.artifacts.own_state(of, STATES[wildcards.state], kind)
        return self.artifacts.carried(of, of.method)[wildcards.state]

    # --- where jobs run -------------------------------------------------------------------------------------------

    @property
    def torch_environment(self) -> str:
        """The conda file of rules that need torch, relative to rules/."""
        return f"../envs/{'cuda' if self.experiment.device == 'cuda' else 'cpu'}.yaml"

    @property
    def gpu(self) -> int:
        """Number of GPUs of a job with a network."""
        return 0 if self.experiment.device == "cpu" else 1

    @property
    def gpus(self) -> int:
        """Number of GPUs of a training or an Ω."""
        return self.gpu * self.experiment.training.devices

    # --- stages -----------------------------------------------------------------------------------------------------

    @cached_property
    def stages(self) -> list[Stage]:
        """Every trained or given stage, once, even if several orders or methods share it."""
        experiment = self.experiment
        wanted = {Stage(network, 0, GIVEN, ()) for network in experiment.given_networks}
        for network in experiment.trained_networks:
            at_once = experiment.at_once(network)
            sequences = [
                *((method, prefix) for method in experiment.methods for prefix in self._prefixes(at_once)),
                *self._references(network),
            ]
            wanted |= {
                stage(network, seed, method, datasets, at_once if method != INDIVIDUAL else 1)
                for seed in experiment.seeds
                for method, datasets in sequences
            }
        return sorted(wanted)

    def _prefixes(self, at_once: int) -> set[tuple[str, ...]]:
        return {prefix for order in self.experiment.orders for prefix in prefixes(order, at_once)}

    def _references(self, network: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """(INDIVIDUAL or JOINT, datasets) of the reference networks. A given network has them only if the config asks
        for them, and is itself the individual network of the datasets that it has learned.
        """
        section, joint = self.experiment.networks[network], self.experiment.joint
        if section.learned and not section.references:
            return
        for dataset in self.experiment.ordered_datasets:
            if dataset not in section.learned:
                yield INDIVIDUAL, (dataset,)
        if joint:
            at_once = self.experiment.at_once(network)
            for datasets in self._prefixes(at_once) if joint.prefixes else self.experiment.orders:
                yield JOINT, datasets

    def paths_of(self, kind: str) -> str:
        """A regular expression for the paths of the stages of a kind (see `curriculum.paths_of`)."""
        return paths_of(kind, self.experiment.learned)

    @property
    def stages_with_past(self) -> list[Stage]:
        """Stages with a predecessor, in which forgetting is possible."""
        return [each for each in self.stages if predecessor(each)]

    @property
    def trained(self) -> list[Stage]:
        """Stages that have a training table: all but those with a given θ."""
        return [each for each in self.stages if not self.artifacts.is_given(each)]

    @property
    def searched(self) -> list[Stage]:
        """Stages whose strengths are searched."""
        return [each for each in self.stages_with_past if self.experiment.methods[each.method].search]

    @property
    def mixed(self) -> list[Stage]:
        """Stages whose θ is blended with that of the stage before."""
        return [each for each in self.stages_with_past if self.experiment.methods[each.method].blend]

    @property
    def diagnosed(self) -> list[Stage]:
        """Stages with the diagnostic of Eqs. 5–8: all with a past, if `evaluation.theory_patches` is above 0."""
        return self.stages_with_past if self.experiment.evaluation.theory_patches else []

    @property
    def thetas(self) -> list[str]:
        """θ of every stage."""
        return [each.file(THETA) for each in self.stages]

    @property
    def omegas(self) -> list[tuple[Stage, str]]:
        """(stage, kind) of each Ω of a stage's own datasets that a later stage needs."""
        found = {
            (before, kind): None
            for each in self.stages_with_past
            if (kind := self.experiment.kind_of(each.method, "penalty")) and (before := predecessor(each))
        }
        return list(found)

    def paths_with_past(self, *rules: str) -> str:
        """A regular expression for the paths of stages with a past whose θ these rules make."""
        methods = self.experiment.methods
        return paths_with_past(name for name, method in methods.items() if method.rule in rules)

    # --- artifacts --------------------------------------------------------------------------------------------------

    @cached_property
    def made(self) -> dict[str, Artifact]:
        """θ of every stage and the Ω of chords, with everything that they are made from, by file."""
        omegas = [omega for each in self.chorded for omega in self.measurements.omegas(each)]
        return all_of([*(self.artifacts.theta(each) for each in self.stages), *omegas])

    def made_by(self, *rules: str) -> list[str]:
        """The files of the artifacts that these rules make."""
        return [file for file, artifact in self.made.items() if artifact.rule in rules]

    def recipes(self, files: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """`Artifact.recipes` by file, for those of the files that are artifacts."""
        return {str(file): self.made[file].recipes for file in files if file in self.made}

    @property
    def trainings(self) -> list[str]:
        """θ of every training of the experiment, including candidates."""
        return self.made_by(*TRAININGS)

    @property
    def shards(self) -> list[str]:
        """The shards of every Ω that a stage of the experiment needs."""
        return self.made_by(SHARDS)

    def costly(self) -> dict[str, list[str]]:
        """The first outputs of the jobs that take long, by rule."""
        datasets = self.experiment.scored_datasets
        packed = self.experiment.packed_datasets
        return {
            "pack": [file for name in packed for use in self._uses(name) for file in tables([name], use)],
            "score_rainy": rainy_scores(datasets),
            **{rule: self.made_by(rule) for rule in (*TRAININGS, "blend", SHARDS)},
            **{
                rule: [each.files[0] for each in self.measured if each.rule == rule]
                for rule in ("evaluate", "chord", "chord_weighted", "theory")
            },
        }

    def initial_weights(self, wildcards: Any) -> str | None:
        """Path of the file of initial weights, or None. Only the digest of the file is in the recipe, not its path."""
        path = self.experiment.networks[_stage(wildcards).network].initial_weights
        return None if path is None else str(path)

    def given_importance(self, wildcards: Any) -> str | None:
        """Path of the file of a given Ω, or None. Only the digest of the file is in the recipe, not its path."""
        path = self.artifacts.given_importance(_stage(wildcards), wildcards.importance)
        return None if path is None else str(path)

    # --- search of strengths ------------------------------------------------------------------------------------------

    def choice_inputs(self, wildcards: Any) -> dict[str, Any]:
        """The inputs of the choice among the candidates of a stage."""
        theta = self.theta.planned(wildcards)
        before = predecessor(_stage(wildcards))
        assert before is not None
        carried = self.artifacts.carried(before, _stage(wildcards).method)
        omega = {"omega": carried["omega"].file} if "omega" in carried else {}
        return theta.inputs | self.candidate_files(wildcards) | {"theta": self.artifacts.theta(before).file} | omega

    def candidate_files(self, wildcards: Any) -> dict[str, list[str]]:
        """θ and training tables of the candidates of a stage."""
        thetas = [candidate.file for candidate in self.artifacts.candidates(_stage(wildcards))]
        return {"thetas": thetas, "trainings": [beside(theta, TRAINING_TABLE) for theta in thetas]}

    def blend_inputs(self, wildcards: Any) -> dict[str, Any]:
        """The inputs of the blend of a stage: its parents, training pairs, and the training table."""
        theta = self.theta.planned(wildcards)
        trained = self.artifacts.candidate(_stage(wildcards), 1.0)
        return theta.inputs | {"training": beside(trained.file, TRAINING_TABLE)}

    # --- datasets -----------------------------------------------------------------------------------------------------

    def storage(self, wildcards: Any) -> dict[str, Any]:
        """Whether a dataset is packed. If not, its root folder and the digest of its manifest decide the store too."""
        dataset = self.experiment.datasets[wildcards.dataset]
        if isinstance(dataset, Rendered) or dataset.pack:
            return {"pack": True}
        files = self.sources[wildcards.dataset] if self.sources else ""
        return {"pack": False, "root": str(dataset.root), "files": files}

    def stores(self, wildcards: Any) -> dict[str, list[str]]:
        """The files of each store of a dataset. A dataset that is only scored has no training store."""
        uses = self._uses(wildcards.dataset)
        return {
            "tables": [file for use in uses for file in tables([wildcards.dataset], use)],
            "pixels": [file for use in uses for file in pixels([wildcards.dataset], use)],
        }

    def store_digests(self, wildcards: Any) -> list[str]:
        """The digest of the pairs of each store of a dataset."""
        return [
            self.artifacts.pairs([wildcards.dataset], use)[wildcards.dataset] for use in self._uses(wildcards.dataset)
        ]

    def test_store(self, wildcards: Any) -> dict[str, list[str]]:
        """The files of the store of a dataset's test pairs."""
        return {"tables": tables([wildcards.dataset], "test"), "pixels": pixels([wildcards.dataset], "test")}

    def _uses(self, dataset: str) -> Iterable[str]:
        return USES if dataset in self.experiment.datasets_with_training_pairs else ("test",)

    def layer_store(self, wildcards: Any) -> dict[str, list[str]]:
        """The store whose rain layers the pairs of a dataset take, for the same use; nothing if they take none."""
        source = self.experiment.source_of(wildcards.dataset)
        if source is None:
            return {}
        return {"tables": tables([source], wildcards.use), "pixels": pixels([source], wildcards.use)}

    def layer_digests(self, wildcards: Any) -> list[str]:
        """The digest of the pairs of this store, if there is one."""
        source = self.experiment.source_of(wildcards.dataset)
        return [self.artifacts.pairs([source], wildcards.use)[source]] if source else []

    @property
    def checks(self) -> list[str]:
        """check.csv of each dataset."""
        return checks(self.experiment.packed_datasets)

    @property
    def contact_sheets(self) -> list[str]:
        """The contact sheet of each dataset."""
        return contact_sheets(self.experiment.packed_datasets)

    # --- scores -------------------------------------------------------------------------------------------------------

    def of_stage(self, of: Stage, pattern: str) -> list[str]:
        """A file of every scoring job of a stage. {part} in the pattern stands for the name of the job."""
        return [of.file(pattern.format(part=part)) for part in self.measurements.parts(of.network)]

    def of_all_stages(self, pattern: str) -> list[str]:
        """The same for every stage."""
        return [file for each in self.stages for file in self.of_stage(each, pattern)]

    @property
    def stage_table(self) -> list[dict[str, Any]]:
        """The stages as plain values, in the order of `of_all_stages`, each with the datasets of its scoring job."""
        return [
            each.plain() | {"scored": self.measurements.scored(each.network, part)}
            for each in self.stages
            for part in self.measurements.parts(each.network)
        ]

    @property
    def at_once(self) -> dict[str, int]:
        """Number of datasets that each given network has learned."""
        return {network: len(names) for network, names in self.experiment.learned.items()}

    @property
    def old_data_bytes(self) -> dict[str, dict[str, dict[int, int]]]:
        """Bytes stored of earlier datasets while the last dataset of an order is learned, by network, method and number
        of datasets: those of the states that are made from data alone.
        """
        experiment = self.experiment
        orders = {len(order): order for order in experiment.orders}
        return {
            network: {
                method: {length: self._old_data_bytes(network, method, order) for length, order in orders.items()}
                for method in experiment.methods
            }
            for network in experiment.trained_networks
        }

    def _old_data_bytes(self, network: str, method: str, order: tuple[str, ...]) -> int:
        experiment = self.experiment
        last = stage(network, experiment.seeds[0], method, order, experiment.at_once(network))
        if not predecessor(last):
            return 0
        states = [
            getattr(experiment, ingredient.state.kinds)[kind]
            for ingredient in INGREDIENTS
            if ingredient.state and (kind := experiment.kind_of(method, ingredient.name))
        ]
        of_dataset = sum(state.bytes_of_dataset(experiment.training.patch) for state in states)
        return len(self.artifacts.earlier(last)) * of_dataset

    # --- photographs ------------------------------------------------------------------------------------------------

    @property
    def restoring(self) -> list[Stage]:
        """The stages that restore photographs: the last one of each order and chosen method, for the first seed, and
        those of networks that are only evaluated.
        """
        experiment = self.experiment
        if not experiment.photographs:
            return []
        found = [Stage(network, 0, GIVEN, ()) for network in experiment.given_networks]
        for network in experiment.trained_networks:
            seed, at_once = experiment.seeds[0], experiment.at_once(network)
            for method in experiment.photographs.methods or experiment.methods:
                found += [stage(network, seed, method, order, at_once) for order in experiment.orders]
        return list(dict.fromkeys(found))

    # --- chords -------------------------------------------------------------------------------------------------------

    @property
    def chorded(self) -> list[Stage]:
        """Stages whose blends with the stage before are scored."""
        evaluation = self.experiment.evaluation
        every = evaluation.chord_of == "all"
        found = [each for each in self.stages_with_past if every or each.method == self.experiment.finetuning]
        return found if evaluation.chord else []

    @property
    def blends(self) -> list[Blend]:
        """The blends of each of these stages."""
        evaluation = self.experiment.evaluation
        kinds = [None, *([evaluation.chord_importance] if evaluation.chord_importance else [])]
        return [Blend(kind, alpha) for kind in kinds for alpha in evaluation.chord]

    # --- what is measured on stages -----------------------------------------------------------------------------------

    @cached_property
    def measured(self) -> list[Measured]:
        """What is measured on the stages of the experiment, job by job."""
        of = self.measurements
        return [
            *(of.scores(each, part) for each in self.stages for part in of.parts(each.network)),
            *(of.blended(each, blend) for each in self.chorded for blend in self.blends),
            *(of.theory(each) for each in self.diagnosed),
            *(of.restoration(each) for each in self.restoring),
        ]


class Planned(Protocol):
    """What one job makes."""

    @property
    def recipe(self) -> Recipe:
        """Everything that decides it, except its inputs."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The input files of the job, by name."""


T = TypeVar("T", bound=Planned)


class Making(Generic[T]):
    """Inputs, recipe and cost of the jobs of a rule, as functions of their wildcards. planned: what the job of some
    wildcards makes.
    """

    def __init__(self, planned: Callable[[Any], T]) -> None:
        self.planned = planned

    def inputs(self, wildcards: Any) -> Mapping[str, Any]:
        """The input files of the job, by name."""
        return self.planned(wildcards).inputs

    def recipe(self, wildcards: Any) -> dict[str, Any]:
        """The recipe, as plain values."""
        return self.planned(wildcards).recipe.plain()

    def steps(self, wildcards: Any) -> int:
        """The cost of the job in training steps."""
        return self.planned(wildcards).recipe.steps


def beside(theta: str, name: str) -> str:
    """Path of a file in the folder of θ."""
    return theta.removesuffix(THETA) + name


def _stage(wildcards: Any) -> Stage:
    return Stage.of_path(wildcards.stage)
