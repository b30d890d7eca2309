"""What the files of stages descend from, and a fingerprint of all of it, by which a stage is known in other folders.

A fingerprint is computed from the config and from digests of data and code alone: the file need not exist, and where it
lies decides nothing.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

from derain.curriculum import FIRST, GIVEN, JOINT
from derain.plan.codedigest import code_digest
from derain.plan.plan import Plan, in_stage, pixels, tables
from derain.plan.stagestore import THETA


@dataclass(frozen=True)
class Origin:
    """What decides a file: its recipe, the files of stages that it is made from, the datasets whose pairs it sees."""

    recipe: dict[str, Any]
    parents: list[str] = field(default_factory=list)
    datasets: list[str] = field(default_factory=list)


class _At(SimpleNamespace):
    """Wildcards of a file, as the engine would hand them to the plan."""

    def get(self, name: str, default: Any = None) -> Any:
        return getattr(self, name, default)


class Lineage:
    """Origins of the files of stages (and of candidates for them) by path."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.fingerprint = cache(self._fingerprint)

    def origin(self, file: str) -> Origin:
        """file: θ, Ω (its shards too), Ω̄ or a memory, as the rules name them."""
        plan, (at, name) = self.plan, _wildcards(file)
        if name == THETA:
            return self._of_theta(at, candidate="scale" in vars(at))
        if name == "omega.safetensors":
            return Origin(plan.accumulation(at), [*plan.omega_before(at), plan.omega_of_stage(at)])
        if name == "memory.safetensors":
            return Origin(plan.memory(at), plan.memory_before(at), [at.dataset])
        if found := re.fullmatch(r"memory-([^.]+)\.safetensors", name):
            at.memory = found[1]
            return Origin(plan.memory_of_first(at), [], [at.dataset])
        found = re.fullmatch(r"omega-([^.]+)(\.shard\d+of\d+)?\.safetensors", name)
        assert found
        at.importance = found[1]
        recipe = plan.importance(at) if found[2] else plan.merged_importance(at)
        return Origin(recipe, [f"{file.rpartition('/')[0]}/{THETA}"], [at.dataset])

    def _of_theta(self, at: _At, candidate: bool) -> Origin:
        plan = self.plan
        if at.method == FIRST:
            return Origin(plan.first(at), [], [at.dataset])
        if at.method == JOINT:
            return Origin(plan.joint(at), [], at.datasets.split("+"))
        if plan.experiment.methods[at.method].search and not candidate:
            choice = {"scales": plan.scales(at), "give_up": plan.give_up(at), "code": code_digest("choose")}
            return Origin(choice, plan.candidates(THETA)(at), [at.dataset])
        return Origin(
            plan.next(at), [plan.theta_before(at), *plan.omega_before(at), *plan.memory_before(at)], [at.dataset]
        )

    def inputs(self, file: str) -> list[str]:
        """All that a file is made from."""
        origin = self.origin(file)
        return [*origin.parents, *tables(origin.datasets, "training"), *pixels(origin.datasets, "training")]

    def _fingerprint(self, file: str) -> str:
        """sha256 of the file's name, its recipe, the libraries that compute, and the fingerprints of its parents."""
        origin = self.origin(file)
        decided_by = [file.rpartition("/")[2], origin.recipe, _libraries(), [*map(self.fingerprint, origin.parents)]]
        return hashlib.sha256(json.dumps(decided_by, sort_keys=True).encode()).hexdigest()

    def trained(self) -> list[str]:
        """θ of every training of the experiment, candidates too."""
        plan = self.plan
        chosen = set(plan.choices)
        stages = [of for of in plan.stages if of.method != GIVEN and of not in chosen]
        searched = [_wildcards(in_stage(of, THETA))[0] for of in plan.choices]
        return [*(in_stage(of, THETA) for of in stages), *(c for at in searched for c in plan.candidates(THETA)(at))]

    def costly(self) -> dict[str, list[str]]:
        """The first outputs of the jobs that take time, by rule."""
        plan = self.plan
        datasets = plan.experiment.scored_datasets
        return {
            "pack": [file for name in datasets for file in plan.stores("pairs.csv")(_At(dataset=name))],
            "score_rainy": [f"results/datasets/{name}/rainy.csv" for name in datasets],
            **{
                rule: [file for file in self.trained() if _training_rule(file) == rule]
                for rule in ("first", "next", "candidate", "joint")
            },
            "importance_shard": self.shards(),
            "evaluate": plan.of_all_stages("scores/{part}.csv"),
            "theory": [in_stage(of, "theory.csv") for of in plan.diagnosed],
        }

    def shards(self) -> list[str]:
        """The shards of every Ω that a stage of the experiment may need."""
        plan, experiment = self.plan, self.plan.experiment
        kinds = {method: experiment.importance_of(method) for method in experiment.methods}
        found = []
        for of in plan.stages:
            used = dict.fromkeys(kinds.values()) if of.method == FIRST else [kinds.get(of.method)]
            for kind in filter(None, used):
                at, _ = _wildcards(in_stage(of, THETA))
                at.importance = kind
                found += plan.omega_shards(at)
        return found


def _wildcards(file: str) -> tuple[_At, str]:
    """Where a file of a stage or a candidate lies, and its name."""
    _, tree, network, seed, method, *path, name = file.split("/")
    at = _At(network=network, seed=seed.removeprefix("seed"), method=method)
    if tree == "search":
        at.scale = path.pop().removeprefix("scale-")
    *past, at.dataset = path
    at.past, at.datasets, at.stage = "/".join(past), at.dataset, "/".join([network, seed, method, *past])
    return at, name


def _training_rule(theta: str) -> str:
    """The rule that trains θ."""
    at, _ = _wildcards(theta)
    return "candidate" if "scale" in vars(at) else at.method if at.method in (FIRST, JOINT) else "next"


@cache
def _libraries() -> dict[str, str]:
    """Versions, without what tells the build for a processor from that for a graphics card."""
    return {name: version(name).partition("+")[0] for name in ("torch", "numpy")}
