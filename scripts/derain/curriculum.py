"""Stages and their paths. A stage is the network after training on some datasets in some order; its path encodes both.

    <network>/seed<k>/first/a/            after a: no past, so all methods share this stage
    <network>/seed<k>/<method>/a/b/       after a, then b
    <network>/seed<k>/joint/a+b/          a and b at once, in any order
    <network>/seed0/given/                trained elsewhere, only evaluated here

The predecessor of a stage is one directory up; if only one dataset is left, it is the shared first stage. All code that
builds or parses these paths is in this module.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FIRST, JOINT, GIVEN = "first", "joint", "given"
# Names with a meaning of their own in the results tree or its tables; the config may not use them as names.
RESERVED = (FIRST, JOINT, GIVEN, "individual", "all")

STAGES, CANDIDATES = "results/stages", "results/search"
THETA, TRAINING_TABLE = "theta.safetensors", "training.csv"


@dataclass(frozen=True, order=True)
class Stage:
    """One trained network. method: FIRST after one dataset (all methods share this stage), JOINT if trained on all
    `datasets` at once, GIVEN if θ was trained elsewhere (`datasets` is empty), else the name of a method.
    """

    network: str
    seed: int
    method: str
    datasets: tuple[str, ...]

    @property
    def path(self) -> str:
        """Directory of the stage below `STAGES`."""
        where = "+".join(sorted(self.datasets)) if self.method == JOINT else "/".join(self.datasets)
        return f"{self.network}/seed{self.seed}/{self.method}/{where}".rstrip("/")

    @classmethod
    def of_path(cls, path: str) -> "Stage":
        """Parse a path into its stage."""
        network, seed, method, *where = path.split("/")
        datasets = where[0].split("+") if method == JOINT else where
        return cls(network, int(seed.removeprefix("seed")), method, tuple(datasets))

    def file(self, name: str) -> str:
        """Path of a file of the stage."""
        return f"{STAGES}/{self.path}/{name}"

    def candidate_file(self, scale: float, name: str) -> str:
        """Path of a file of the stage's candidate that multiplies the method's strengths by `scale`."""
        return f"{CANDIDATES}/{self.path}/scale-{scale_in_path(scale)}/{name}"


def stage(network: str, seed: int, method: str, datasets: tuple[str, ...]) -> Stage:
    """The stage of a method after `datasets`. After one dataset it is the same for all methods."""
    if len(datasets) == 1:
        method = FIRST
    return Stage(network, seed, method, tuple(sorted(datasets)) if method == JOINT else datasets)


def predecessor(after: Stage) -> Stage | None:
    """The stage whose θ and Ω̄ this stage starts from; None without a past."""
    if after.method in (FIRST, JOINT, GIVEN):
        return None
    return stage(after.network, after.seed, after.method, after.datasets[:-1])


def along(path: Stage) -> list[Stage]:
    """The stage and all its predecessors, first to last."""
    return [stage(path.network, path.seed, path.method, prefix) for prefix in prefixes(path.datasets)]


def paths_of(kind: str) -> str:
    """Regular expression of the paths of all stages of a kind: FIRST, JOINT or GIVEN."""
    below = {FIRST: "/[^/+]+", JOINT: r"/[^/+]+(\+[^/+]+)+", GIVEN: ""}[kind]
    return rf"[^/]+/seed\d+/{kind}{below}"


def paths_with_past(methods: Iterable[str]) -> str:
    """Regular expression of the paths of these methods' stages from the second dataset on."""
    return rf"[^/]+/seed\d+/(?:{'|'.join(map(re.escape, methods)) or NOTHING})/[^/+]+(/[^/+]+)+"


NOTHING = "(?!)"  # regular expression without a match


def scale_in_path(scale: float) -> str:
    """A scale as text: the shortest form that parses to the same float."""
    short = f"{scale:g}"
    return short if float(short) == scale else repr(scale)


def prefixes(order: tuple[str, ...]) -> list[tuple[str, ...]]:
    """All prefixes of an order: (a), (a, b), (a, b, c) for (a, b, c)."""
    return [order[: n + 1] for n in range(len(order))]


def in_tables(datasets: Sequence[str]) -> str:
    """A sequence of datasets as in the tables: "a>b>c", or "-" if empty."""
    return ">".join(datasets) or "-"


def as_read(sequence: str) -> str:
    """Convert a sequence from the tables ("a>b>c") for display: "a → b → c"."""
    return sequence.replace(">", " → ")
