"""The files of stages. Each is an artifact: a rule makes it by a recipe, from other artifacts and training pairs."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from derain.config.experiment import Experiment
from derain.config.training import Training
from derain.curriculum import FIRST, GIVEN, JOINT, THETA, Stage, along, predecessor
from derain.data.sources import Sources
from derain.files.digest import file_digest
from derain.files.metadata import recipe_digest
from derain.files.source import read_source
from derain.method.ingredients import INGREDIENTS, STATES, State
from derain.plan.codedigest import code_digest
from derain.plan.datasets import pixels, tables
from derain.plan.recipes import (
    OWN_SOURCE,
    AccumulationRecipe,
    BlendRecipe,
    ChoiceRecipe,
    GivenImportanceRecipe,
    GivenRecipe,
    ImportanceRecipe,
    Recipe,
    StateRecipe,
    TrainingRecipe,
)

TRAININGS = ("first", "next", "candidate", "joint")  # the rules that train θ
SHARDS = "importance_shard"  # the rule that makes shards of Ω


@dataclass(frozen=True)
class Artifact:
    """A file of a stage. rule: the rule that makes it; parents: its input artifacts, by the name of the rule's input;
    datasets: those whose training pairs are inputs.
    """

    file: str
    rule: str
    recipe: Recipe
    parents: Mapping[str, "Artifact | tuple[Artifact, ...]"] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()

    @property
    def each_parent(self) -> Iterator["Artifact"]:
        """The parents one by one, without grouping by input."""
        for parent in self.parents.values():
            yield from (parent,) if isinstance(parent, Artifact) else parent

    @property
    def inputs(self) -> dict[str, Any]:
        """All input files, by the name of the rule's input."""
        files: dict[str, Any] = {
            name: parent.file if isinstance(parent, Artifact) else [each.file for each in parent]
            for name, parent in self.parents.items()
        }
        if self.datasets:
            files |= {"tables": tables(self.datasets, "training"), "pixels": pixels(self.datasets, "training")}
        return files

    @cached_property
    def recipes(self) -> tuple[str, ...]:
        """Digests of the recipes allowed in the file's metadata. An adopted θ has the recipe of one candidate."""
        makers = self.each_parent if self.rule == "adopt" else (self,)
        return tuple(recipe_digest(each.recipe.plain()) for each in makers)

    @cached_property
    def key(self) -> str:
        """Cache key: a digest of everything that decides the file, that is its name, its recipe, the versions of torch
        and NumPy, and the keys of its parents. The file need not exist; its folder does not enter.
        """
        name = self.file.rpartition("/")[2]
        decided_by = [name, self.recipe.plain(), _libraries(), [parent.key for parent in self.each_parent]]
        return hashlib.sha256(json.dumps(decided_by, sort_keys=True).encode()).hexdigest()


class Artifacts:
    """The artifacts of an experiment, by stage. Without `sources`, digests of training pairs in recipes are empty."""

    def __init__(self, experiment: Experiment, sources: Sources | None) -> None:
        self.experiment, self.sources = experiment, sources
        self.theta = cache(self._theta)
        self.candidate = cache(self._candidate)
        self.own_state = cache(self._own_state)
        self.state = cache(self._state)
        # Thousands of artifacts share these.
        self.network = cache(self._network)
        self.code = cache(self._code)
        self._kind = cache(experiment.kind_of)
        self._options = cache(lambda method, scale: experiment.methods[method].options(scale))
        self._source_digest = cache(lambda at: sources.source(at) if sources else read_source(at).digest)
        self._weights_digest = cache(lambda path: sources.weights(path) if sources else file_digest(path))

    # --- θ --------------------------------------------------------------------------------------------------------

    def _theta(self, stage: Stage) -> Artifact:
        """θ of a stage."""
        file = stage.file(THETA)
        if self.is_given(stage):
            weights = self._initial(stage.network)
            assert weights is not None
            code = self.code(stage.network, "given")
            network = self.network(stage.network)
            return Artifact(file, "given", GivenRecipe(code=code, network=network, initial_weights=weights))
        if stage.method in (FIRST, JOINT):
            recipe = self._trained("first", stage, stage.own, initial_weights=self._initial(stage.network))
            if stage.method == JOINT:
                assert self.experiment.joint is not None
                steps = self.experiment.joint.steps_per_dataset * len(stage.datasets)
                recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"steps": steps})})
            return Artifact(file, stage.method, recipe, {}, stage.own)
        if search := self.experiment.methods[stage.method].search:
            code = code_digest("choose")
            choice = ChoiceRecipe(
                code=code,
                datasets=self.pairs(stage.own, "training"),
                scales=(0.0, *search.scales),
                give_up=search.give_up,
            )
            return Artifact(file, "adopt", choice, {"thetas": self.candidates(stage)}, stage.own)
        if blend := self.experiment.methods[stage.method].blend:
            before = predecessor(stage)
            assert before is not None
            mixed = BlendRecipe(
                code=self.code(stage.network, "blend"),
                datasets=self.pairs(stage.own, "training"),
                network=self.network(stage.network),
                threads=self.experiment.training.threads,
                alphas=blend.alphas if blend.alpha is None else (blend.alpha,),
                give_up=blend.give_up if blend.alpha is None else None,
            )
            parents = {"theta": self.theta(before), "trained": self.candidate(stage, 1.0)}
            return Artifact(file, "blend", mixed, parents, stage.own)
        return self._after(stage, 1.0, file, "next")

    def candidates(self, stage: Stage) -> tuple[Artifact, ...]:
        """θ of all candidates for a stage whose strengths are searched. The first has scale 0, maximal plasticity."""
        search = self.experiment.methods[stage.method].search
        assert search is not None
        return tuple(self.candidate(stage, scale) for scale in (0.0, *search.scales))

    def _candidate(self, stage: Stage, scale: float) -> Artifact:
        """θ of the candidate whose strengths are multiplied by `scale`."""
        return self._after(stage, scale, stage.candidate_file(scale, THETA), "candidate")

    def _after(self, stage: Stage, scale: float, file: str, rule: str) -> Artifact:
        before = predecessor(stage)
        assert before is not None
        options = self._options(stage.method, scale)
        modules = [ingredient.module for ingredient in INGREDIENTS if ingredient.name in options]
        recipe = self._trained("next", stage, stage.own, *modules, method=options)
        parents = {"theta": self.theta(before)} | self.carried(before, stage.method)
        return Artifact(file, rule, recipe, parents, stage.own)

    def is_given(self, stage: Stage) -> bool:
        """Whether θ of a stage was trained elsewhere."""
        learned = self.experiment.networks[stage.network].learned
        return stage.method == GIVEN or (stage.method == FIRST and stage.datasets == learned)

    def at_hand(self, stage: Stage) -> tuple[str, ...]:
        """The datasets whose training pairs stand for what a stage has learned after its predecessor."""
        stand_in = self.experiment.networks[stage.network].stand_in
        return (stand_in,) if stand_in and self.is_given(stage) else stage.own

    def earlier(self, stage: Stage) -> tuple[str, ...]:
        """The earlier datasets of a stage whose training pairs are at hand."""
        return (*self.at_hand(along(stage)[0]), *stage.datasets[stage.at_once : -1])

    # --- states that methods carry ----------------------------------------------------------------------------------

    def carried(self, stage: Stage, method: str) -> dict[str, Artifact]:
        """The states of a stage that a method carries to its next stage, by `State.file`."""
        found = {}
        for ingredient in INGREDIENTS:
            kind = self._kind(method, ingredient.name)
            if ingredient.state and kind:
                found[ingredient.state.file] = self.state(stage, method, ingredient.name, ingredient.state, kind)
        return found

    def _state(self, stage: Stage, method: str, ingredient: str, state: State, kind: str) -> Artifact:
        if stage.method == FIRST:
            return self.own_state(stage, state, kind)
        before = predecessor(stage)
        assert before is not None
        past = self.state(before, method, ingredient, state, kind)
        file = stage.file(f"{state.file}.safetensors")
        if state.module:
            return self._made(stage, state, kind, file, {"past": past})
        section = self.experiment.methods[method].ingredients[ingredient].model_dump()
        recipe = AccumulationRecipe(
            how=section["accumulation"],
            alpha=section["alpha"],
            datasets=len(stage.datasets) - 1,
            code=code_digest("accumulate"),
        )
        return Artifact(file, "accumulate", recipe, {"past": past, "new": self.own_state(stage, state, kind)})

    def _own_state(self, stage: Stage, state: State, kind: str) -> Artifact:
        """The state of a stage's own dataset, without its past."""
        file = stage.file(f"{state.file}-{kind}.safetensors")
        if state.module:
            return self._made(stage, state, kind, file, {})
        if omega := self.given_importance(stage, kind):
            given = GivenImportanceRecipe(
                code=self.code(stage.network, "importance"),
                network=self.network(stage.network),
                omega=self._weights_digest(omega),
            )
            return Artifact(file, "importance", given, {"theta": self.theta(stage)})
        recipe = self._importance(stage, kind, "importance_shard", "importance")
        return Artifact(file, "importance", recipe, {"shards": self._shards(stage, kind)})

    def given_importance(self, stage: Stage, kind: str) -> Path | None:
        """The file of an Ω that is given with the weights; None for an Ω that is estimated here."""
        return self.experiment.networks[stage.network].omega.get(kind) if self.is_given(stage) else None

    def _made(self, stage: Stage, state: State, kind: str, file: str, past: Mapping[str, Artifact]) -> Artifact:
        assert state.module is not None
        section, code = getattr(self.experiment, state.kinds)[kind], ("state", state.module)
        recipe = StateRecipe(
            code=self.code(stage.network, *code) if state.sees_theta else code_digest(*code),
            module=state.module,
            seed=stage.seed,
            depth=len(stage.datasets),
            datasets=self.pairs(self.at_hand(stage), "training"),
            patch=section.side(self.experiment.training.patch),
            options=section.model_dump(mode="json", exclude={"patch"}),
            network=self.network(stage.network) if state.sees_theta else None,
            training=self._numbers if state.sees_theta else None,
        )
        theta = {"theta": self.theta(stage)} if state.sees_theta else {}
        return Artifact(file, "state", recipe, {**theta, **past}, self.at_hand(stage))

    def _shards(self, stage: Stage, kind: str) -> tuple[Artifact, ...]:
        recipe = self._importance(stage, kind, "importance_shard")
        count, parents = recipe.importance.shards, {"theta": self.theta(stage)}
        files = [stage.file(f"omega-{kind}.shard{n}of{count}.safetensors") for n in range(count)]
        return tuple(Artifact(file, SHARDS, recipe, parents, self.at_hand(stage)) for file in files)

    def shard(self, stage: Stage, kind: str, number: int) -> Artifact:
        """Shard `number` (from 0) of Ω."""
        return self._shards(stage, kind)[number]

    def importance(self, stage: Stage, kind: str) -> Artifact:
        """Ω of a stage's own dataset at its θ."""
        return self.own_state(stage, STATES["omega"], kind)

    # --- parts of recipes ------------------------------------------------------------------------------------------

    @cached_property
    def _numbers(self) -> Training:
        """The keys of the section `training` that decide θ."""
        section = self.experiment.training
        return Training(**{name: getattr(section, name) for name in Training.model_fields})

    def _trained(
        self, script: str, stage: Stage, datasets: Iterable[str], *modules: str, **more: Any
    ) -> TrainingRecipe:
        return TrainingRecipe(**self.training_fields(script, stage, datasets, *modules), **more)

    def _importance(self, stage: Stage, kind: str, *scripts: str) -> ImportanceRecipe:
        fields = self.training_fields(scripts[0], stage, self.at_hand(stage), *scripts[1:])
        return ImportanceRecipe(**fields, importance=self.experiment.importances[kind])

    def training_fields(self, script: str, stage: Stage, datasets: Iterable[str], *modules: str) -> dict[str, Any]:
        """The recipe fields of every job that runs a network on training pairs."""
        return {
            "code": self.code(stage.network, script, *modules),
            "seed": stage.seed,
            "depth": len(stage.datasets),
            "datasets": self.pairs(datasets, "training"),
            "network": self.network(stage.network),
            "training": self._numbers,
        }

    def pairs(self, datasets: Iterable[str], use: str) -> dict[str, str]:
        """Digests of the pairs of datasets for a use ("training" or "test"); empty without `sources`."""
        return {name: self.sources.pairs(name, use) if self.sources else "" for name in datasets}

    def _network(self, name: str) -> dict[str, Any]:
        """The backbone of a network and the options of the backbone, as JSON values."""
        return self.experiment.networks[name].architecture()

    def _code(self, network: str, *modules: str) -> dict[str, str]:
        """Digests of the code of a job with a network: these modules, the module of its backbone and, of a class of the
        user's own, its source.
        """
        digests = code_digest(*modules, f"derain.networks.{self.network(network)['backbone']}")
        place = self.experiment.networks[network].source
        return digests if place is None else digests | {OWN_SOURCE: self._source_digest(place)}

    def _initial(self, network: str) -> str | None:
        """Digest of the file of initial weights; None for a network that starts from the seed."""
        path = self.experiment.networks[network].initial_weights
        return None if path is None else self._weights_digest(path)


def all_of(thetas: Iterable[Artifact]) -> dict[str, Artifact]:
    """Artifacts and everything that they are made from, by file, parents first."""
    found: dict[str, Artifact] = {}
    waiting = list(reversed(list(thetas)))
    while waiting:
        artifact = waiting[-1]
        missing = [parent for parent in artifact.each_parent if parent.file not in found]
        if missing:
            waiting += reversed(missing)
        else:
            found.setdefault(waiting.pop().file, artifact)
    return found


@cache
def _libraries() -> dict[str, str]:
    """Versions without the local part ("+cpu", "+cu128"), in which builds for CPU and GPU differ."""
    return {name: version(name).partition("+")[0] for name in ("torch", "numpy")}
