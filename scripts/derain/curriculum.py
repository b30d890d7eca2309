"""The curriculum tree: a stage is "the network after these datasets, in this order", and its path says so.

    <network>/seed<k>/first/a/            after a: no past, so every method starts from this one
    <network>/seed<k>/<method>/a/b/       after a, then b
    <network>/seed<k>/joint/a+b/          a and b at once, whatever the order
    <network>/seed0/given/                trained elsewhere, only evaluated here

The predecessor of a stage is one directory up; where only one dataset is left, it is the shared first stage. All that
knows this grammar stands here.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FIRST, JOINT, GIVEN = "first", "joint", "given"
# Names that mean something in the results tree or its tables, and so can be neither a dataset nor a method.
RESERVED = (FIRST, JOINT, GIVEN, "individual", "all")

STAGES, CANDIDATES = "results/stages", "results/search"
THETA, TRAINING_TABLE = "theta.safetensors", "training.csv"


@dataclass(frozen=True, order=True)
class Stage:
    """One trained network. method: FIRST where there is one dataset, JOINT for all at once, GIVEN where θ comes from
    elsewhere (no dataset), else a method's name.
    """

    network: str
    seed: int
    method: str
    datasets: tuple[str, ...]

    @property
    def path(self) -> str:
        """Directory below `stages/`."""
        where = "+".join(sorted(self.datasets)) if self.method == JOINT else "/".join(self.datasets)
        return f"{self.network}/seed{self.seed}/{self.method}/{where}".rstrip("/")

    @classmethod
    def of_path(cls, path: str) -> "Stage":
        """The stage that has a path."""
        network, seed, method, *where = path.split("/")
        datasets = where[0].split("+") if method == JOINT else where
        return cls(network, int(seed.removeprefix("seed")), method, tuple(datasets))

    def file(self, name: str) -> str:
        """A file of the stage."""
        return f"{STAGES}/{self.path}/{name}"

    def candidate_file(self, scale: float, name: str) -> str:
        """A file of the candidate for the stage whose strengths are multiplied by `scale`."""
        return f"{CANDIDATES}/{self.path}/scale-{scale_in_path(scale)}/{name}"


def stage(network: str, seed: int, method: str, datasets: tuple[str, ...]) -> Stage:
    """The stage of a method after `datasets`; after one dataset it is the same for all methods."""
    if len(datasets) == 1:
        method = FIRST
    return Stage(network, seed, method, tuple(sorted(datasets)) if method == JOINT else datasets)


def predecessor(after: Stage) -> Stage | None:
    """The stage that θ and Ω̄ come from; None where there is no past."""
    if after.method in (FIRST, JOINT, GIVEN):
        return None
    return stage(after.network, after.seed, after.method, after.datasets[:-1])


def along(path: Stage) -> list[Stage]:
    """The stage and all before it, first to last."""
    return [stage(path.network, path.seed, path.method, prefix) for prefix in prefixes(path.datasets)]


def paths_of(kind: str) -> str:
    """A regular expression for the paths of stages of a kind: FIRST, JOINT or GIVEN."""
    below = {FIRST: "/[^/+]+", JOINT: r"/[^/+]+(\+[^/+]+)+", GIVEN: ""}[kind]
    return rf"[^/]+/seed\d+/{kind}{below}"


def paths_with_past(methods: Iterable[str]) -> str:
    """A regular expression for the paths of stages of some methods after their first dataset."""
    return rf"[^/]+/seed\d+/(?:{'|'.join(map(re.escape, methods)) or NOTHING})/[^/+]+(/[^/+]+)+"


NOTHING = "(?!)"  # a regular expression that nothing matches


def scale_in_path(scale: float) -> str:
    """A scale as text that gives the same number when it is read."""
    short = f"{scale:g}"
    return short if float(short) == scale else repr(scale)


def prefixes(order: tuple[str, ...]) -> list[tuple[str, ...]]:
    """(a), (a, b), (a, b, c) of an order (a, b, c)."""
    return [order[: n + 1] for n in range(len(order))]


def in_tables(datasets: Sequence[str]) -> str:
    """A sequence as the tables write it: "a>b>c", "-" for none."""
    return ">".join(datasets) or "-"


def as_read(sequence: str) -> str:
    """“a → b → c” of what the tables write."""
    return sequence.replace(">", " → ")
