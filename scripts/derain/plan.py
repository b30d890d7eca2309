"""What an experiment needs: which stages, in which files, decided by what. The rules ask here.

Paths are relative to the working directory of the workflow. `wildcards` are those of the stage rules: network, seed,
method, past (datasets before this one, with slashes), dataset.
"""

from collections.abc import Iterable
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from derain.codedigest import code_digest
from derain.config import Experiment, Importance, Method, Rendered
from derain.curriculum import FIRST, JOINT, Stage, predecessor, prefixes, stage

# What a stage's numbers do not depend on, within the `training` section.
UNDECIDING = {"workers", "log_every", "validate_every"}


def tables(datasets: Iterable[str]) -> list[str]:
    """The tables of pairs of datasets."""
    return [f"results/datasets/{name}/pairs.csv" for name in datasets]


def pixels(datasets: Iterable[str]) -> list[str]:
    """The packed pixels of datasets."""
    return [f"results/datasets/{name}/pixels.bin" for name in datasets]


def in_stage(of: Stage, file: str) -> str:
    """A file of a stage."""
    return f"results/stages/{of.path}/{file}"


def to_stage(wildcards: Any) -> Stage:
    """The stage that a job of rule `next` makes."""
    return Stage(
        wildcards.network, int(wildcards.seed), wildcards.method, (*wildcards.past.split("/"), wildcards.dataset)
    )


class Plan:
    """The files and recipes of one experiment."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment

    @property
    def torch_environment(self) -> str:
        """The conda file of the rules that need torch, from where the rules are."""
        return f"../envs/{'cuda' if self.experiment.device == 'cuda' else 'cpu'}.yaml"

    # --- stages -----------------------------------------------------------------------------------------------

    @cached_property
    def stages(self) -> list[Stage]:
        """Every stage that is trained, each once however many orders and methods share it."""
        experiment = self.experiment
        methods = list(experiment.methods)
        wanted = {
            stage(network, seed, method, prefix)
            for network in experiment.networks
            for seed in experiment.seeds
            for order in experiment.orders
            for prefix in prefixes(order)
            for method in methods
        }
        # The individual network of every dataset, the reference of intransigence and normalised gain.
        wanted |= {
            Stage(network, seed, FIRST, (dataset,))
            for network in experiment.networks
            for seed in experiment.seeds
            for dataset in experiment.trained_datasets
        }
        if experiment.joint:
            wanted |= {
                stage(network, seed, JOINT, order)
                for network in experiment.networks
                for seed in experiment.seeds
                for order in experiment.orders
            }
        return sorted(wanted)

    def theta_before(self, wildcards: Any) -> str:
        """θⁿ of the predecessor."""
        before = predecessor(to_stage(wildcards))
        assert before is not None
        return in_stage(before, "theta.safetensors")

    def omega_before(self, wildcards: Any) -> list[str]:
        """Ω̄ of the predecessor, for methods that need one."""
        importance = self.experiment.importance_of(wildcards.method)
        before = predecessor(to_stage(wildcards))
        if importance is None or before is None:
            return []
        return [in_stage(before, f"omega-{importance}.safetensors" if before.method == FIRST else "omega.safetensors")]

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
        return {"pack": False, "root": str(dataset.root)}

    def first(self, wildcards: Any) -> dict[str, Any]:
        """The spec of a first stage."""
        return self._training("first", wildcards, depth=1)

    def next(self, wildcards: Any) -> dict[str, Any]:
        """The spec of a stage with a past. Ingredients of strength 0 are left out: they decide nothing."""
        method = self._method(wildcards)
        ingredients = {
            name: section.model_dump(mode="json", exclude={"importance", "accumulation", "alpha"})
            for name, section in (("penalty", method.penalty), ("distillation", method.distillation))
            if section and section.strength > 0
        }
        return self._training("next", wildcards, depth=len(to_stage(wildcards).datasets)) | ingredients

    def joint(self, wildcards: Any) -> dict[str, Any]:
        """The spec of a joint stage: `steps_per_dataset` for each of its datasets."""
        datasets = wildcards.datasets.split("+")
        spec = self._training("first", wildcards, depth=len(datasets))
        assert self.experiment.joint is not None
        return spec | {
            "training": spec["training"] | {"steps": self.experiment.joint.steps_per_dataset * len(datasets)}
        }

    def importance(self, wildcards: Any) -> dict[str, Any]:
        """The spec of an Ω: also what trained θ, since L is the training loss on patches like the training's."""
        section = self._importance(wildcards).model_dump(mode="json")
        network, seed, _, *datasets = f"{wildcards.stage}/{wildcards.dataset}".split("/")
        of_stage = SimpleNamespace(network=network, seed=seed.removeprefix("seed"))
        return self._training("importance_shard", of_stage, depth=len(datasets)) | {"importance": section}

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
            "datasets": self.part(wildcards.part),
            "previews": self.experiment.evaluation.previews,
            "code": code_digest("evaluate", self._backbone(network)),
        }

    @property
    def checks(self) -> list[str]:
        """The tables that tell what the datasets are."""
        return [f"results/datasets/{name}/check.csv" for name in self.experiment.scored_datasets]

    # --- scores ---------------------------------------------------------------------------------------------------

    @property
    def parts(self) -> list[str]:
        """The scoring jobs of a stage: one for all datasets, or one for each."""
        return self.experiment.scored_datasets if self.experiment.evaluation.split else ["all"]

    def part(self, part: str) -> list[str]:
        """The datasets of a scoring job."""
        return self.experiment.scored_datasets if part == "all" else [part]

    def of_all_stages(self, pattern: str) -> list[str]:
        """A file of every stage and scoring job; {part} in the pattern is filled in."""
        return [in_stage(of, pattern.format(part=part)) for of in self.stages for part in self.parts]

    @property
    def stage_table(self) -> list[dict[str, Any]]:
        """The stages as plain values, in the order of `of_all_stages`."""
        return [
            {
                "network": of.network,
                "seed": of.seed,
                "method": of.method,
                "datasets": list(of.datasets),
                "part": part,
            }
            for of in self.stages
            for part in self.parts
        ]

    @property
    def shown_on_page(self) -> list[dict[str, Any]]:
        """What the page shows pictures of: the network of each method at the end of each order."""
        methods = [*self.experiment.methods, *([JOINT] if self.experiment.joint else [])]
        finals = {
            f"{method}, {' → '.join(order)}" + (f", {network}" if len(self.experiment.networks) > 1 else ""): stage(
                network, seed, method, order
            )
            for network in self.experiment.networks
            for seed in self.experiment.seeds[:1]
            for order in self.experiment.orders
            for method in methods
        }
        return [
            {"caption": caption, "files": [in_stage(of, f"previews/{part}.npz") for part in self.parts]}
            for caption, of in finals.items()
        ]

    # --- helpers ----------------------------------------------------------------------------------------------------

    def _training(self, script: str, wildcards: Any, depth: int) -> dict[str, Any]:
        return {
            "network": self._network(wildcards.network),
            "training": self.experiment.training.model_dump(mode="json", exclude=UNDECIDING),
            "seed": int(wildcards.seed),
            "depth": depth,
            "code": code_digest(script, self._backbone(wildcards.network)),
        }

    def _network(self, name: str) -> dict[str, Any]:
        return self.experiment.networks[name].model_dump(mode="json")

    def _backbone(self, network: str) -> str:
        return f"derain.networks.{self.experiment.networks[network].backbone}"

    def _method(self, wildcards: Any) -> Method:
        return self.experiment.methods[wildcards.method]

    def _importance(self, wildcards: Any) -> Importance:
        return self.experiment.importances[wildcards.importance]
