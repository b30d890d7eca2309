"""Stages and their paths. A stage is the network after training on some datasets in some order; its path encodes both.

    <network>/seed<k>/first/a/            after a: no past, so all methods share this stage
    <network>/seed<k>/first/a+b/          a given network that has learned a and b elsewhere, in the same place
    <network>/seed<k>/<method>/a/b/       after a, then b
    <network>/seed<k>/<method>/a+b/c/     the given network of a and b after c
    <network>/seed<k>/joint/a+b/          a and b at once, in any order
    <network>/seed0/given/                trained elsewhere, only evaluated here

The predecessor of a stage is one directory up; if only one part is left, it is the shared first stage. All code that
builds or parses these paths is in this module. The files of a stage have their names here, too.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FIRST, JOINT, GIVEN, INDIVIDUAL = "first", "joint", "given", "individual"
# Names with a meaning of their own in the results tree or its tables; the config may not use them as names.
RESERVED = (FIRST, JOINT, GIVEN, INDIVIDUAL, "all")

STAGES, CANDIDATES = "results/stages", "results/search"
THETA, TRAINING_TABLE = "theta.safetensors", "training.csv"
STRENGTH_TABLE, BLEND_TABLE = "strength.csv", "blend.csv"  # of the choice of a strength, or of α, and its candidates
SCORES, PREVIEWS, THEORY_TABLE = "scores/{part}.csv", "previews/{part}.npz", "theory.csv"

# Regular expressions of the path of any stage, and of nothing.
STAGE_PATH, NOTHING = r"[^/]+/seed\d+/.+", "(?!)"


@dataclass(frozen=True, order=True)
class Stage:
    """One trained network. method: FIRST at the start of an order (all methods share this stage), JOINT if trained on
    all `datasets` at once, GIVEN if θ was trained elsewhere and is only evaluated (`datasets` is empty), else the name
    of a method. at_once: how many of the datasets the first stage has learned; more than 1 only if its θ is given.
    """

    network: str
    seed: int
    method: str
    datasets: tuple[str, ...]
    at_once: int = 1

    @property
    def path(self) -> str:
        """Directory of the stage below `STAGES`."""
        if self.method == JOINT:
            parts = ["+".join(sorted(self.datasets))]
        else:
            parts = ["+".join(self.datasets[: self.at_once]), *self.datasets[self.at_once :]]
        return f"{self.network}/seed{self.seed}/{self.method}/{'/'.join(parts)}".rstrip("/")

    @property
    def own(self) -> tuple[str, ...]:
        """The datasets that the stage itself has learned, after those of its predecessor."""
        return self.datasets if self.method in (FIRST, JOINT) else self.datasets[-1:]

    @classmethod
    def of_path(cls, path: str) -> "Stage":
        """Parse a path into its stage."""
        network, seed, method, *where = path.split("/")
        first = where[0].split("+") if where else []
        datasets = (*first, *where[1:])
        at_once = 1 if method == JOINT else max(1, len(first))
        return cls(network, int(seed.removeprefix("seed")), method, datasets, at_once)

    def plain(self) -> dict[str, Any]:
        """The stage as JSON values, as in tables and params."""
        return {"network": self.network, "seed": self.seed, "method": self.method, "datasets": list(self.datasets)}

    def file(self, name: str) -> str:
        """Path of a file of the stage."""
        return f"{STAGES}/{self.path}/{name}"

    def candidate_file(self, scale: float, name: str) -> str:
        """Path of a file of the stage's candidate that multiplies the method's strengths by `scale`."""
        return f"{CANDIDATES}/{self.path}/scale-{number_in_path(scale)}/{name}"


def stage(network: str, seed: int, method: str, datasets: tuple[str, ...], at_once: int = 1) -> Stage:
    """The stage of a method after `datasets`. After the first `at_once` datasets it is the same for all methods."""
    if len(datasets) <= at_once:
        method, at_once = FIRST, len(datasets)
    if method == JOINT:
        return Stage(network, seed, JOINT, tuple(sorted(datasets)))
    return Stage(network, seed, method, datasets, at_once)


def predecessor(after: Stage) -> Stage | None:
    """The stage whose θ and Ω̄ this stage starts from; None without a past."""
    if after.method in (FIRST, JOINT, GIVEN):
        return None
    return stage(after.network, after.seed, after.method, after.datasets[:-1], after.at_once)


def along(path: Stage) -> list[Stage]:
    """The stage and all its predecessors, first to last."""
    stages = [path]
    while before := predecessor(stages[0]):
        stages.insert(0, before)
    return stages


def paths_of(kind: str, learned: Mapping[str, Sequence[str]]) -> str:
    """Regular expression of the paths of all stages of a kind: FIRST and JOINT are trained, GIVEN are not.

    learned: the datasets that given networks have learned, by network; their first stages are of the kind GIVEN.
    """
    given = [
        rf"{re.escape(network)}/seed\d+/{FIRST}/{re.escape('+'.join(names))}" for network, names in learned.items()
    ]
    if kind == GIVEN:
        return "|".join([rf"[^/]+/seed\d+/{GIVEN}", *given])
    but = f"(?!(?:{'|'.join(given)})(?:/|$))" if given else ""
    return but + {FIRST: rf"[^/]+/seed\d+/{FIRST}/[^/+]+", JOINT: rf"[^/]+/seed\d+/{JOINT}/[^/+]+(\+[^/+]+)+"}[kind]


def paths_with_past(methods: Iterable[str]) -> str:
    """Regular expression of the paths of these methods' stages from the second dataset on."""
    return rf"[^/]+/seed\d+/(?:{'|'.join(map(re.escape, methods)) or NOTHING})/[^/]+(/[^/+]+)+"


def number_in_path(number: float) -> str:
    """A number as text: the shortest form that parses to the same float."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


def prefixes(order: tuple[str, ...], at_once: int = 1) -> list[tuple[str, ...]]:
    """All prefixes of an order from `at_once` datasets on: (a), (a, b), (a, b, c) for (a, b, c) and 1."""
    return [order[:n] for n in range(at_once, len(order) + 1)]


def in_tables(datasets: Sequence[str]) -> str:
    """A sequence of datasets as in the tables: "a>b>c", or "-" if empty."""
    return ">".join(datasets) or "-"


def as_read(sequence: str) -> str:
    """Convert a sequence from the tables ("a>b>c") for display: "a → b → c"."""
    return sequence.replace(">", " → ")
