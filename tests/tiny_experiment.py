"""An experiment of seconds for the workflow, and what tests read of its results."""

import copy
import csv
import re

from derain.reference.columns import DESCRIBED

RAIN = {"angle": [-10, 10], "length": [7, 11], "width": 1.2, "density": 0.02, "brightness": [0.2, 0.4]}


DATASET = {
    "layout": "rendered",
    "rain": RAIN,
    "renders": 1,
    "tile": 48,
    "tiles": 1,
    "train": ["rocket.jpg"],
    "validation": ["coffee.png"],
    "test": ["chelsea.png"],
}


EXPERIMENT = {
    "device": "cpu",
    "orders": [["mild", "heavy"], ["heavy", "mild"]],
    "datasets": {"mild": DATASET, "heavy": DATASET | {"rain": RAIN | {"angle": [40, 50], "density": 0.04}}},
    "networks": {"net": {"backbone": "prenet", "stages": 2, "channels": 4, "blocks": 1}},
    "training": {"steps": 6, "batch": 2, "patch": 16, "learning_rate": 0.002, "warmup": 0, "log_every": 2},
    "importances": {"gradient": {"patches": 4}},
    "methods": {
        "nr": {
            "penalty": {"importance": "gradient", "strength": 1},
            "distillation": {"strength": 0.1, "loss": "l1"},
        }
    },
    "evaluation": {"previews": 1},
}


RESULTS = ("theta.safetensors", "training.csv")  # of a training


def with_changes(*changes):
    """EXPERIMENT with values changed: (path with dots, value)."""
    config = copy.deepcopy(EXPERIMENT)
    for path, value in changes:
        *parents, last = path.split(".")
        section = config
        for key in parents:
            section = section.setdefault(key, {})
        section[last] = value
    return config


def file_of(directory, stage, file="theta.safetensors"):
    return directory / "results/stages/net/seed0" / stage / file


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def jobs_measured(directory):
    """Benchmark files by rule."""
    rules = (directory / "results/benchmarks").iterdir()
    return {rule.name: sum(path.suffix == ".tsv" for path in rule.rglob("*")) for rule in rules}


def described(results):
    """Every table of a run with its description, its columns, and those of the optional ones that it has."""
    patterns = {re.sub(r"\b[A-Z]+\b", "[^ ]+", re.escape(table.file)): table for table in DESCRIBED}
    for file in results.rglob("*.csv"):
        place = file.relative_to(results).as_posix()
        (table,) = (table for pattern, table in patterns.items() if re.fullmatch(pattern, place))
        with file.open(newline="", encoding="utf-8") as lines:
            yield table, next(csv.reader(lines))


def check_columns(table, columns):
    always = [[name for name in names if name not in table.optional] for names in (columns, table.columns)]
    assert always[0] == always[1], table.file
    assert {*columns} <= {*table.columns}, table.file


THIRD = {
    "datasets": EXPERIMENT["datasets"] | {"late": DATASET | {"seed": 1}},
    "orders": {"datasets": ["mild", "heavy", "late"], "choose": "all"},
    "intensities": {"rain": {"patches": 4}},
    "memories": {"pairs": {"keep": "pairs", "patches": 4}},
    "methods": {
        "finetune": {},
        "nr": EXPERIMENT["methods"]["nr"],
        "replay": {
            "memory": {"name": "pairs", "share": 0.5},
            "distillation": {"strength": 1, "intensity": "rain"},
        },
        "searched": EXPERIMENT["methods"]["nr"] | {"search": {"scales": [3, 0.5]}},
    },
    "joint": {"steps_per_dataset": 6, "prefixes": True},
}
