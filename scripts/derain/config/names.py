"""Checks of names in the config, which become names of files and folders, and of the size of the experiment."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from derain.config.messages import in_short
from derain.config.methods import States
from derain.config.values import NAME_MAX, PATH_MAX
from derain.curriculum import JOINT, RESERVED, Stage, number_in_path, prefixes, stage
from derain.files.atomic import PARTIAL

if TYPE_CHECKING:
    from derain.config.experiment import Experiment  # which imports this module

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Names of files and folders in a stage's folders, which also hold the folders of later stages, named after datasets.
IN_A_STAGE = (
    "scores", "previews", "restored", "chord",
    "*.safetensors", "*.csv", "*.json", "*.npz", "*.checkpoint*", f"*{PARTIAL}", "events.*",
)  # fmt: skip
SECTIONS = ("datasets", "networks", *States.model_fields, "methods")

# The longest file names that contain a name from the config. tests/config/test_names.py compares them with the plan.
CHECKPOINT = ".checkpoint.set-aside"
LONGEST = {
    "datasets": "memory-{}.npz" + PARTIAL,
    "networks": "omega-distribution-{}-{orders}.svg" + PARTIAL,
    "importances": "omega-{}.shard{shards}of{shards}.safetensors" + CHECKPOINT + PARTIAL,
    "intensities": "intensity-{}.safetensors" + PARTIAL,
    "memories": "memory-{}.safetensors" + PARTIAL,
    "methods": "{}",
}
DEEPEST = "results/benchmarks/importance_shard/stages/"
MOST_JOBS = 50_000  # Snakemake needs a quarter of an hour to plan them


def name_faults(experiment: "Experiment") -> Iterator[str]:
    """Faults of names: invalid as file names, reserved, or different only in letter case."""
    reserved = ", ".join(RESERVED)
    for section in SECTIONS:
        spelled: dict[str, str] = {}
        for name in getattr(experiment, section):
            where = f"{section}: {in_short(name)}"
            other = spelled.setdefault(name.casefold(), name)
            if not SAFE_NAME.fullmatch(name):
                yield f"{where} is no safe file name (letters, digits, '.', '_' and '-')"
            elif name.casefold() in RESERVED:
                yield f"{where} is reserved ({reserved})"
            elif section == "datasets" and any(fnmatchcase(name.casefold(), pattern) for pattern in IN_A_STAGE):
                yield f"{where} is a name of files in the folder of a stage ({', '.join(IN_A_STAGE)})"
            elif section in States.model_fields and "." in name:
                yield f"{where} has a '.', which is not allowed here: in file names it ends the name"
            elif other != name:
                yield f"{where} and {in_short(other)} differ in letter case only, which some file systems ignore"


def length_faults(experiment: "Experiment") -> Iterator[str]:
    """Faults of names that make a file name or a path too long for this file system."""
    shards = max((importance.shards for importance in experiment.importances.values()), default=1)
    numbers = {"shards": shards, "orders": len(experiment.orders)}
    of_name, of_path = _limit("PC_NAME_MAX", NAME_MAX), _limit("PC_PATH_MAX", PATH_MAX) - 1
    reported = False
    for section, pattern in LONGEST.items():
        for name in getattr(experiment, section):
            length = len(pattern.format(name, **numbers))
            if length > of_name:
                reported = True
                yield f"{section}: {in_short(name)} is too long: its files take {length} of {of_name} characters"
    if experiment.name and len(experiment.name) > of_name:
        reported = True
        yield f"name: {in_short(experiment.name)} is too long: {len(experiment.name)} of {of_name} characters"
    for order in experiment.orders if experiment.joint else ():
        length = len(stage("", 0, JOINT, order).path.rpartition("/")[2])
        if length > of_name and len(order) > 1 and not reported:
            reported = True
            yield (
                f"joint: the folder of the network of {len(order)} datasets is named after them, {length} characters; "
                f"this file system takes {of_name}: give them shorter names, or leave joint out"
            )
    length = max((len(path) for path in _longest_paths(experiment)), default=0)
    # Snakemake keeps a record of each file under the base64 code of its path: 4 characters for every 3.
    length = len(str(Path.cwd())) + len("/.snakemake/incomplete/") + length * 4 // 3 + length // 100
    if length > of_path and not reported:
        yield f"orders: a path of {length} characters would be needed, and this system takes {of_path}: shorten names"


def _longest_paths(experiment: "Experiment") -> Iterator[str]:
    network = max(experiment.networks, key=len, default="")
    method = max([*experiment.methods, JOINT], key=len)
    importance = max(experiment.importances, key=len, default="")
    scales = [scale for each in experiment.methods.values() if each.search for scale in each.search.scales]
    scales += [1.0 for each in experiment.methods.values() if each.blend]
    scale = max(map(number_in_path, scales), key=len, default="")
    file = f"/scale-{scale}/" + LONGEST["importances"].format(importance, shards=10_000)
    figure = LONGEST["networks"].format(network, orders=len(experiment.orders))
    yield f"results/benchmarks/{experiment.name or ''}/figures/{figure}"
    for order in experiment.orders if experiment.photographs else ():
        path = Stage(network, max(experiment.seeds), method, order).path
        yield f"results/benchmarks/restore/{experiment.name or ''}/photographs/{path}/restored/compare/index.html"
    for order in experiment.orders:
        yield DEEPEST + Stage(network, max(experiment.seeds), method, order).path + file


def _limit(name: str, otherwise: int) -> int:
    try:
        return os.pathconf(".", name)
    except (OSError, ValueError):
        return otherwise


def size_faults(experiment: "Experiment") -> Iterator[str]:
    """A fault if the experiment has more jobs than Snakemake can plan in reasonable time."""
    jobs, stages = count_jobs(experiment)
    if jobs > MOST_JOBS:
        yield (
            f"orders: {len(experiment.orders):,} orders, with seeds, networks and methods, make {stages:,} stages and "
            f"about {jobs:,} jobs; more than {MOST_JOBS:,} are not planned"
        )


def count_jobs(experiment: "Experiment") -> tuple[int, int]:
    """Approximate number of jobs, and number of stages."""
    began = {prefix for order in experiment.orders for prefix in prefixes(order)}
    later = sum(len(prefix) > 1 for prefix in began)
    methods = experiment.methods.values()
    joint = len({frozenset(prefix) for prefix in began if len(prefix) > 1}) if experiment.joint else 0
    runs = len(experiment.trained_networks) * len(experiment.seeds)
    firsts = len(experiment.ordered_datasets)
    stages = runs * (firsts + later * len(methods) + joint) + len(experiment.given_networks)
    candidates = sum(len(method.search.scales) + 2 for method in methods if method.search)
    candidates = (candidates + sum(method.blend is not None for method in methods)) * later * runs
    kinds = Counter(kind for name in experiment.methods if (kind := experiment.kind_of(name, "penalty")))
    shards = sum(
        (experiment.importances[kind].shards + 2) * (firsts + later * users)
        for kind, users in kinds.items()
        if kind in experiment.importances
    )
    chords = 0
    if alphas := len(experiment.evaluation.chord):
        chorded = len(methods) if experiment.evaluation.chord_of == "all" else 1
        chords = later * runs * chorded * alphas * (2 if experiment.evaluation.chord_importance else 1)
    restoring = 0
    if experiment.photographs:
        chosen = len(experiment.photographs.methods or methods)
        restoring = len(experiment.trained_networks) * len(experiment.orders) * chosen + len(experiment.given_networks)
    scored = len(experiment.scored_datasets) if experiment.evaluation.split else 1
    return stages * (1 + scored) + candidates + chords + runs * shards + restoring, stages
