"""What an experiment needs: which stages, in which files, decided by what. The rules ask here.

Paths are relative to the working directory of the workflow. `wildcards` are those of the stage rules: network, seed,
method, past (datasets before this one, with slashes), dataset.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property
from types import SimpleNamespace
from typing import Any

from derain.config.schema import Experiment, Importance, Method, Network, Rendered
from derain.curriculum import FIRST, GIVEN, JOINT, Stage, predecessor, prefixes, stage
from derain.data.samples import USES
from derain.data.sources import Sources
from derain.files.digest import file_digest
from derain.plan.codedigest import code_digest

# What a stage's numbers do not depend on, within the `training` section.
UNDECIDING = {"devices", "workers", "log_every", "validate_every", "checkpoint_every", "tensorboard"}

# Where the formulas of a method's ingredients stand: a method without the one does not depend on the other.
FORMULAS = {
    "penalty": "derain.method.penalty",
    "distillation": "derain.method.distillation",
    "memory": "derain.method.memory",
}


def tables(datasets: Iterable[str], use: str) -> list[str]:
    """The tables of pairs of datasets, for one of USES."""
    return [f"results/datasets/{name}/{use}/pairs.csv" for name in datasets]


def pixels(datasets: Iterable[str], use: str) -> list[str]:
    """The packed pixels of datasets, for one of USES."""
    return [f"results/datasets/{name}/{use}/pixels.bin" for name in datasets]


def rainy_scores(datasets: Iterable[str]) -> list[str]:
    """The scores of datasets' rainy inputs."""
    return [f"results/datasets/{name}/rainy.csv" for name in datasets]


def in_stage(of: Stage, file: str) -> str:
    """A file of a stage."""
    return f"results/stages/{of.path}/{file}"


def place(of: Stage) -> dict[str, Any]:
    """A stage as plain values."""
    return {"network": of.network, "seed": of.seed, "method": of.method, "datasets": list(of.datasets)}


def to_stage(wildcards: Any) -> Stage:
    """The stage that a job of rule `next` makes."""
    return Stage(
        wildcards.network, int(wildcards.seed), wildcards.method, (*wildcards.past.split("/"), wildcards.dataset)
    )


def _carried(wildcards: Any, what: str, name: str | None) -> list[str]:
    """What a predecessor hands on: in the shared first stage one for each kind in use, later the method's own."""
    before = predecessor(to_stage(wildcards))
    if name is None or before is None:
        return []
    return [in_stage(before, f"{what}-{name}.safetensors" if before.method == FIRST else f"{what}.safetensors")]


class Plan:
    """The files and recipes of one experiment. Without `sources`, recipes do not tell which data they are for."""

    def __init__(self, experiment: Experiment, sources: Sources | None = None) -> None:
        self.experiment, self.sources = experiment, sources
        self._weights_digest = cache(file_digest)

    @property
    def torch_environment(self) -> str:
        """The conda file of the rules that need torch, from where the rules are."""
        return f"../envs/{'cuda' if self.experiment.device == 'cuda' else 'cpu'}.yaml"

    @property
    def gpu(self) -> int:
        """Graphics cards of a job with a network."""
        return 0 if self.experiment.device == "cpu" else 1

    @property
    def gpus(self) -> int:
        """Graphics cards of a training or an Ω."""
        return self.gpu * self.experiment.training.devices

    # --- stages -----------------------------------------------------------------------------------------------

    @cached_property
    def stages(self) -> list[Stage]:
        """Every stage that is trained or given, each once however many orders and methods share it."""
        experiment = self.experiment
        methods = list(experiment.methods)
        wanted = {
            stage(network, seed, method, prefix)
            for network in experiment.trained_networks
            for seed in experiment.seeds
            for order in experiment.orders
            for prefix in prefixes(order)
            for method in methods
        }
        # The individual network of every dataset, the reference of intransigence and normalised gain.
        wanted |= {
            Stage(network, seed, FIRST, (dataset,))
            for network in experiment.trained_networks
            for seed in experiment.seeds
            for dataset in experiment.trained_datasets
        }
        if experiment.joint:
            wanted |= {
                stage(network, seed, JOINT, prefix)
                for network in experiment.trained_networks
                for seed in experiment.seeds
                for order in experiment.orders
                for prefix in (prefixes(order) if experiment.joint.prefixes else [order])
            }
        wanted |= {Stage(network, 0, GIVEN, ()) for network in experiment.given_networks}
        return sorted(wanted)

    @property
    def thetas(self) -> list[str]:
        """θ of every stage."""
        return [in_stage(of, "theta.safetensors") for of in self.stages]

    def theta_before(self, wildcards: Any) -> str:
        """θⁿ of the predecessor."""
        before = predecessor(to_stage(wildcards))
        assert before is not None
        return in_stage(before, "theta.safetensors")

    def omega_before(self, wildcards: Any) -> list[str]:
        """Ω̄ of the predecessor, for methods that need one."""
        return _carried(wildcards, "omega", self.experiment.importance_of(wildcards.method))

    def memory_before(self, wildcards: Any) -> list[str]:
        """The memory of the predecessor, for methods that have one."""
        return _carried(wildcards, "memory", self.experiment.memory_of(wildcards.method))

    def omega_of_stage(self, wildcards: Any) -> str:
        """Ω of the stage's own dataset at its θ, which `accumulate` adds to the past."""
        return in_stage(to_stage(wildcards), f"omega-{self.experiment.importance_of(wildcards.method)}.safetensors")

    def omega_shards(self, wildcards: Any) -> list[str]:
        """The shards of one Ω."""
        count = self._importance(wildcards).shards
        base = f"results/stages/{wildcards.stage}/{wildcards.dataset}/omega-{wildcards.importance}"
        return [f"{base}.shard{n}of{count}.safetensors" for n in range(count)]

    # --- what decides a job's numbers ---------------------------------------------------------------------------

    def storage(self, wildcards: Any) -> dict[str, Any]:
        """How a dataset is kept; what is not packed is tied to where its files are."""
        dataset = self.experiment.datasets[wildcards.dataset]
        if isinstance(dataset, Rendered) or dataset.pack:
            return {"pack": True}
        files = self.sources[wildcards.dataset] if self.sources else ""
        return {"pack": False, "root": str(dataset.root), "files": files}

    def stores(self, file: str) -> Callable[[Any], list[str]]:
        """An input function: a file of each store of a dataset. What is only scored has no training pairs."""

        def files(wildcards: Any) -> list[str]:
            uses = USES if wildcards.dataset in self.experiment.trained_datasets else ("test",)
            return [f"results/datasets/{wildcards.dataset}/{use}/{file}" for use in uses]

        return files

    def first(self, wildcards: Any) -> dict[str, Any]:
        """The spec of a first stage."""
        return self._training("first", wildcards, 1, [wildcards.dataset]) | self._initial(wildcards.network)

    def given(self, wildcards: Any) -> dict[str, Any]:
        """The spec of a network that is only evaluated."""
        code = code_digest("given", self._backbone(wildcards.network))
        return {"network": self._network(wildcards.network), "code": code} | self._initial(wildcards.network)

    def next(self, wildcards: Any) -> dict[str, Any]:
        """The spec of a stage with a past, or of a candidate for it (by its scale)."""
        method, scale = self._method(wildcards), float(wildcards.get("scale", 1))
        ingredients = {}
        for name in ("penalty", "distillation"):
            section = getattr(method, name)
            # Ingredients of strength 0 are left out: they decide nothing.
            if section and section.strength * scale > 0:
                values = section.model_dump(mode="json", exclude={"importance", "accumulation", "alpha"})
                ingredients[name] = values | {"strength": section.strength * scale}
        if method.memory:
            ingredients["memory"] = method.memory.model_dump(mode="json", exclude={"name"})
        depth = len(to_stage(wildcards).datasets)
        unused = frozenset(module for name, module in FORMULAS.items() if name not in ingredients)
        code = code_digest("next", self._backbone(wildcards.network), without=unused)
        return self._training("next", wildcards, depth, [wildcards.dataset]) | {"code": code} | ingredients

    def joint(self, wildcards: Any) -> dict[str, Any]:
        """The spec of a joint stage: `steps_per_dataset` for each of its datasets."""
        datasets = wildcards.datasets.split("+")
        spec = self._training("first", wildcards, len(datasets), datasets) | self._initial(wildcards.network)
        assert self.experiment.joint is not None
        return spec | {
            "training": spec["training"] | {"steps": self.experiment.joint.steps_per_dataset * len(datasets)}
        }

    def importance(self, wildcards: Any) -> dict[str, Any]:
        """The spec of an Ω: also what trained θ, since L is the training loss on patches like the training's."""
        section = self._importance(wildcards).model_dump(mode="json")
        network, seed, _, *datasets = f"{wildcards.stage}/{wildcards.dataset}".split("/")
        of_stage = SimpleNamespace(network=network, seed=seed.removeprefix("seed"))
        spec = self._training("importance_shard", of_stage, len(datasets), [wildcards.dataset])
        return spec | {"importance": section}

    def merged_importance(self, wildcards: Any) -> dict[str, Any]:
        """The spec of an Ω that is put together from its shards."""
        spec = self.importance(wildcards)
        return spec | {"code": spec["code"] | code_digest("importance")}

    def memory_of_first(self, wildcards: Any) -> dict[str, Any]:
        """The spec of the memory of a first stage."""
        return self._memory(wildcards, wildcards.memory, depth=1)

    def memory(self, wildcards: Any) -> dict[str, Any]:
        """The spec of the memory of a later stage."""
        name = self.experiment.memory_of(wildcards.method)
        assert name is not None
        return self._memory(wildcards, name, depth=len(to_stage(wildcards).datasets))

    def accumulation(self, wildcards: Any) -> dict[str, Any]:
        """How Ω̄ of a stage is put together."""
        penalty = self._method(wildcards).penalty
        assert penalty is not None
        return {
            "how": penalty.accumulation,
            "alpha": penalty.alpha,
            "datasets": len(to_stage(wildcards).datasets) - 1,
            "code": code_digest("accumulate"),
        }

    def evaluation(self, wildcards: Any) -> dict[str, Any]:
        """The spec of a scoring job."""
        network = wildcards.stage.split("/")[0]
        return {
            "network": self._network(network),
            "threads": self.experiment.training.threads,
            "datasets": self._pairs(self.part(wildcards), "test"),
            "rounding": sorted(self.experiment.evaluation.rounding),
            "previews": self.experiment.evaluation.previews,
            "code": code_digest("evaluate", self._backbone(network)),
        }

    def theory(self, wildcards: Any) -> dict[str, Any]:
        """The spec of the diagnostic of a stage."""
        spec = self._training("theory", wildcards, 1, wildcards.past.split("/"))
        return spec | {"patches": self.experiment.evaluation.theory_patches}

    # --- search of strengths ---------------------------------------------------------------------------------------

    def methods_matching(self, searched: bool) -> str:
        """A regular expression for the methods whose strengths are, or are not, searched."""
        names = [re.escape(name) for name, method in self.experiment.methods.items() if bool(method.search) == searched]
        return "|".join(names) or "(?!)"  # which nothing matches

    def scales(self, wildcards: Any) -> list[float]:
        """The candidates of a stage: maximal plasticity first."""
        search = self._method(wildcards).search
        assert search is not None
        return [0.0, *search.scales]

    def candidates(self, file: str) -> Callable[[Any], list[str]]:
        """An input function: a file of every candidate of a stage."""

        def files(wildcards: Any) -> list[str]:
            branch = f"results/search/{to_stage(wildcards).path}"
            return [f"{branch}/scale-{scale:g}/{file}" for scale in self.scales(wildcards)]

        return files

    def give_up(self, wildcards: Any) -> float:
        """How much plasticity a searched stage may lose."""
        search = self._method(wildcards).search
        assert search is not None
        return search.give_up

    @property
    def choices(self) -> list[Stage]:
        """Stages whose strengths are searched."""
        return [of for of in self.stages_with_past if self.experiment.methods[of.method].search]

    @property
    def diagnosed(self) -> list[Stage]:
        """Stages whose loss changes are held against the theory: all with a past, where the config asks for it."""
        return self.stages_with_past if self.experiment.evaluation.theory_patches else []

    @property
    def stages_with_past(self) -> list[Stage]:
        """Stages at which something may have been forgotten."""
        return [of for of in self.stages if predecessor(of)]

    def thetas_along(self, wildcards: Any) -> list[str]:
        """θ of the stage and of all before it, first to last."""
        path = to_stage(wildcards)
        along = [stage(path.network, path.seed, path.method, prefix) for prefix in prefixes(path.datasets)]
        return [in_stage(of, "theta.safetensors") for of in along]

    @property
    def omegas(self) -> list[tuple[Stage, str]]:
        """Each stage whose own Ω serves a later one, and the kind."""
        found = {
            (before, importance): None
            for of in self.stages_with_past
            if (importance := self.experiment.importance_of(of.method)) and (before := predecessor(of))
        }
        return list(found)

    @property
    def trained(self) -> list[Stage]:
        """Stages that have a training table: all but those of given networks."""
        return [of for of in self.stages if of.method != GIVEN]

    @property
    def checks(self) -> list[str]:
        """The tables that tell what the datasets are."""
        return [f"results/datasets/{name}/check.csv" for name in self.experiment.scored_datasets]

    # --- scores ---------------------------------------------------------------------------------------------------

    def parts(self, network: str) -> list[str]:
        """The scoring jobs of a network's stage: one for all datasets, or one for each."""
        return self.experiment.scored_on(network) if self.experiment.evaluation.split else ["all"]

    def part(self, wildcards: Any) -> list[str]:
        """The datasets of a scoring job, in an order that does not follow that of the config."""
        network = wildcards.stage.split("/")[0]
        return sorted(self.experiment.scored_on(network)) if wildcards.part == "all" else [wildcards.part]

    def of_stage(self, of: Stage, pattern: str) -> list[str]:
        """A file of every scoring job of a stage; {part} in the pattern is filled in."""
        return [in_stage(of, pattern.format(part=part)) for part in self.parts(of.network)]

    def of_all_stages(self, pattern: str) -> list[str]:
        """The same of every stage."""
        return [file for of in self.stages for file in self.of_stage(of, pattern)]

    @property
    def stage_table(self) -> list[dict[str, Any]]:
        """The stages as plain values, in the order of `of_all_stages`."""
        return [place(of) for of in self.stages for _ in self.parts(of.network)]

    @property
    def memory_bytes(self) -> dict[str, int]:
        """What each method with a memory keeps of a dataset."""
        side = self.experiment.training.patch
        names = {method: self.experiment.memory_of(method) for method in self.experiment.methods}
        return {method: self.experiment.memories[name].bytes_of_dataset(side) for method, name in names.items() if name}

    # --- helpers ----------------------------------------------------------------------------------------------------

    def _training(self, script: str, wildcards: Any, depth: int, datasets: Sequence[str]) -> dict[str, Any]:
        """Of a job that sees training pairs of some datasets."""
        return {
            "network": self._network(wildcards.network),
            "training": self.experiment.training.model_dump(mode="json", exclude=UNDECIDING),
            "seed": int(wildcards.seed),
            "depth": depth,
            "datasets": self._pairs(datasets, "training"),
            "code": code_digest(script, self._backbone(wildcards.network)),
        }

    def _pairs(self, datasets: Iterable[str], use: str) -> dict[str, str]:
        return {name: self.sources.pairs(name, use) if self.sources else "" for name in datasets}

    def _memory(self, wildcards: Any, memory: str, depth: int) -> dict[str, Any]:
        return {
            "training": {"patch": self.experiment.memories[memory].side(self.experiment.training.patch)},
            "seed": int(wildcards.seed),
            "depth": depth,
            "memory": self.experiment.memories[memory].model_dump(mode="json", exclude={"patch"}),
            "datasets": self._pairs([wildcards.dataset], "training"),
            "code": code_digest("remember"),
        }

    def _initial(self, network: str) -> dict[str, str]:
        """Digest of the weights that a network starts from, where not from the seed: other bytes, another network."""
        path = self.experiment.networks[network].initial_weights
        return {} if path is None else {"initial_weights": self._weights_digest(path)}

    def _network(self, name: str) -> dict[str, Any]:
        """What builds the network: its backbone and that one's options."""
        return self.experiment.networks[name].model_dump(mode="json", exclude=set(Network.model_fields))

    def _backbone(self, network: str) -> str:
        return f"derain.networks.{self.experiment.networks[network].backbone}"

    def _method(self, wildcards: Any) -> Method:
        return self.experiment.methods[wildcards.method]

    def _importance(self, wildcards: Any) -> Importance:
        return self.experiment.importances[wildcards.importance]
