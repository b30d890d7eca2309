"""Which results each key of a config decides, from the plan.

Each key is changed alone in an example experiment. The key decides the results that then have another recipe or other
inputs. The pairs of a dataset are compared as lists of files; a real plan compares the digests of their pixels.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError

from derain.config.experiment import Experiment
from derain.config.orders import Orders
from derain.curriculum import GIVEN
from derain.data.discovery import complete_pairs, discover, divide, hold_out
from derain.data.draws import source_of
from derain.data.samples import SPLITS, USES, Sample
from derain.files.digest import file_digest
from derain.files.source import read_source
from derain.plan.artifacts import TRAININGS
from derain.plan.page import PagePlan
from derain.plan.plan import Plan
from derain.plan.recipes import StateRecipe
from derain.reference.keys import NAME, Keys, is_section, sections
from derain.reference.schema import config_schema
from derain.restoration.photographs import photographs

# What the rules that make artifacts make, in the words of the reference, in the order in which it names them.
MADE_BY = {
    "first": "θ of first stages",
    "next": "θ of later stages",
    "candidate": "θ of candidates",
    "joint": "θ of joint stages",
    "adopt": "the choice among candidates",
    "blend": "blended θ",
    "given": "θ of given networks",
    "importance_shard": "Ω",
    "importance": "Ω",
    "accumulate": "Ω̄",
    # what rule `state` makes, by module
    "derain.method.intensity": "rain intensities",
    "derain.method.memory": "memories",
}
STAGES, SCORES, THEORY, FOLDER = "which stages exist", "scores and previews", "the theory table", "the folder"
CHORD = "scores of blends"
RESTORED = "restored photographs"
MEASURED_BY = {"evaluate": SCORES, "chord": CHORD, "chord_weighted": CHORD, "theory": THEORY, "restore": RESTORED}
PAIRS = {"train": "training pairs", "validation": "validation pairs", "test": "test pairs"}
EVERY_TRAINING, NOTHING, ONE_VALUE = "every trained θ", "–", "has one value"
ORDER = (
    *PAIRS.values(),
    STAGES,
    FOLDER,
    EVERY_TRAINING,
    *dict.fromkeys(MADE_BY.values()),
    SCORES,
    CHORD,
    THEORY,
    RESTORED,
)

# Leaks are found in pixels, which the example has none of: `drop` leaves pairs out (derain.data.sources).
IN_PIXELS = {"on_leakage": {PAIRS["train"], PAIRS["validation"]}}

SIDE = 1000  # of the photographs of the example, pixels
RAIN = {"angle": [0, 10], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.3]}
PLACE = {"rainy": "train/rain/{scene}.*", "clean": "train/norain/{scene}.*"}
OTHER_PLACE = {"rainy": "train/input/{scene}.*", "clean": "train/target/{scene}.*"}
HALVES = {"side_by_side": "train/{scene}.png", "clean": "left"}
BACKBONES = [
    named
    for each in sections()
    if "backbone" in each.model.model_fields
    for named in get_args(each.model.model_fields["backbone"].annotation)
]
EVERY_INGREDIENT = {
    "penalty": {"importance": "one", "strength": 1},
    "distillation": {"strength": 1},
    "memory": {"name": "rain", "share": 0.5},
}


def _example(root: Path) -> dict[str, Any]:
    """An experiment with every section and every kind of job. root: folder of `_write_files`."""
    folder = {"root": str(root)}
    given = {"initial_weights": str(root / "one.txt")}
    ways: list[dict[str, Any]] = [{}, {"evaluate_only": True}, {"learned": ["rendered"]}]
    own = {"backbone": f"{root}/one.py:Network", "options": {"width": 4}}
    backbones = {backbone: {"backbone": backbone} for backbone in BACKBONES} | {"own": own}
    places = dict.fromkeys(SPLITS, PLACE)
    return {
        "orders": [["rendered", "drawn", "listed"]],
        "datasets": {
            "rendered": {"layout": "rendered", "rain": RAIN},
            "own": {"layout": "rendered", "rain": RAIN, "test_share": 0.2, **folder},
            "own-listed": {
                "layout": "rendered",
                "rain": RAIN,
                "validation_list": "one.txt",
                "test_list": "two.txt",
                **folder,
            },
            "layers": {"layout": "rendered", "rain": {"layers_of": "rendered"}},
            "drawn": {"layout": "rain-norain", "test_share": 0.2, **folder},
            "listed": {"layout": "rain-norain", "validation_list": "one.txt", "test_list": "two.txt", **folder},
            "sides": {"layout": "side-by-side", "clean": "left", **folder},
            "placed": {"layout": "folders", **places, **folder},
            "halves": {"layout": "folders", "train": HALVES, "test": HALVES, **folder},
            "table": {"layout": "folders", "train": {"list": "pairs.txt"}, "test": {"list": "pairs.txt"}, **folder},
        },
        "networks": {
            f"{name}{n}": {**section, **given, **more}
            for name, section in backbones.items()
            for n, more in enumerate(ways)
        },
        "training": {"batch": 4, "parts": 2},
        "importances": {"one": {"patches": 8, "shards": 2}, "two": {"patches": 8}},
        "intensities": {"rain": {}, "other": {}},
        "memories": {"rain": {"patch": 8}, "other": {}},
        "methods": {
            "finetune": {},
            "nr": EVERY_INGREDIENT,
            "searched": EVERY_INGREDIENT | {"search": {}},
            "as_old": {"distillation": {"strength": 1, "intensity": "rain"}},
            "replay": {"memory": {"name": "other"}},
            "blended": {"blend": {"alpha": 0.5}},
            "chosen": {"blend": {}},
        },
        "joint": {"steps_per_dataset": 5},
        "evaluation": {"datasets": ["placed"], "theory_patches": 2, "chord": [0.5], "chord_importance": "one"},
        "photographs": {"files": [f"{root}/test"]},
    }


def _write_files(root: Path) -> dict[str, list[Any]]:
    """Files that the example lists and never decodes; other values of the keys that name them."""
    for folder in ("train", "test", "train/rain", "train/norain", "train/input", "train/target", "other"):
        (root / folder).mkdir()
        for n in range(10):
            (root / folder / f"{n}.png").touch()
    (root / "one.txt").write_text("1.png\n", encoding="utf-8")
    (root / "two.txt").write_text("2.png\n", encoding="utf-8")
    (root / "three.txt").write_text("3.png\n", encoding="utf-8")
    for name in ("one", "two"):
        (root / f"{name}.py").write_text(f"# {name}\n", encoding="utf-8")
    for name, numbers in (("pairs", range(5)), ("more", range(6))):
        lines = [f"train/rain/{n}.png train/norain/{n}.png\n" for n in numbers]
        (root / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    lists: list[Any] = [str(root / "three.txt"), "three.txt", "more.txt"]
    return {
        "name": ["other"],
        "stage_store": [str(root)],
        "local_scratch": ["$TMPDIR"],
        "container": ["derain.sif"],
        "orders": [[["rendered", "listed", "drawn"]]],
        "seeds": [[1]],
        "root": [str(root / ".." / root.name)],
        "layout": ["input-target"],
        "exclude": [["*3*"]],
        "initial_weights": lists[:1],
        "backbone": [f"{root}/two.py:Network"],
        "options": [{"width": 8}],
        "validation_list": lists[1:],
        "test_list": lists[1:],
        "list": lists[1:],
        "rainy": [OTHER_PLACE["rainy"]],
        "clean": [OTHER_PLACE["clean"], "right"],
        "side_by_side": ["other/{scene}.png"],
        "importance": ["two"],
        "intensity": ["other"],
        "layers_of": ["drawn"],
        "vary": [["gain"]],
        "scales": [[2.0]],
        "alphas": [[0.5]],
        "datasets": [["sides"]],
        "scored_on": [["rendered"]],
        "learned": [["rendered"]],
        "stand_in": ["placed"],
        "omega": [{"one": lists[0]}],
        "chord": [[0.25]],
        "chord_importance": ["two"],
        "encoder": [[2, 1, 1]],
        "decoder": [[1, 1, 2]],
        "blocks": [[1, 1, 1, 2]],
        "heads": [[1, 1, 1, 1]],
        "rounding": [["none"]],
        "files": [[f"{root}/other/1.png"]],
        "methods": [["nr"]],
        "train": [["camera.png"]],
        "validation": [["camera.png"]],
        "test": [["camera.png"]],
    }


class Decided(NamedTuple):
    """keys: what each key decides that holds no sections, by its section and name; pairs: what the pairs of a dataset
    decide, by use (USES).
    """

    keys: dict[tuple[Keys, str], str]
    pairs: dict[str, str]


@cache
def decided() -> Decided:
    """What decides which results, in words."""
    with TemporaryDirectory() as folder:
        values = _write_files(Path(folder))
        changes = _Changes(_example(Path(folder)), values)
        keys = {
            (section, key): changes.by(section, key)
            for section in sections()
            for key in section.model.model_fields
            if not is_section(section.model, key)
        }
        return Decided(keys, {use: changes.by_pairs(use) for use in USES})


class _Changes:
    """What changes with keys of an example experiment. values: other values of some keys.

    The results of a network depend on no other network. So a key of a network is changed in the example with this
    network and two more, which train all methods, and another key in the example with every way of the first backbone
    and one way of the others.
    """

    def __init__(self, example: dict[str, Any], values: Mapping[str, list[Any]]) -> None:
        self.example, self.values = Experiment.model_validate(example).model_dump(mode="json"), values
        self.schema = config_schema()
        self.few = tuple(name for name in example["networks"] if name.startswith(BACKBONES[0]) or name.endswith("0"))
        self.before = cache(lambda networks: _results(Experiment.model_validate(self._with(networks))))

    def _with(self, networks: tuple[str, ...]) -> dict[str, Any]:
        """A copy of the example with these networks."""
        return deepcopy(self.example | {"networks": {name: self.example["networks"][name] for name in networks}})

    def by(self, section: Keys, key: str) -> str:
        """The results that change with a key, in words, wherever the example has it."""
        if section.model is Orders:  # stands for a list of orders
            return self.by(sections()[0], "orders")
        if "const" in self._schema_of(section, key):
            return ONE_VALUE
        found: set[str] = set(IN_PIXELS.get(key, ()))
        tried = 0
        for path in section.paths:
            for at in _instances(self.example, path.split(".") if path else []):
                if key in at.section and at.section.keys() == section.model.model_fields.keys():
                    changes = self._by(at, section, key)
                    tried += changes is not None
                    found |= changes or set()
        if not tried:
            raise ValueError(f"{section.path(key)}: the example has no other value of this key")
        return _in_words(found)

    def by_pairs(self, use: str) -> str:
        """The results that change with the pairs of all datasets for one of USES, in words."""
        before, after = self.before(self.few), _results(Experiment.model_validate(self._with(self.few)), use)
        return _in_words({name for name, files in after.items() if _differ(files, before[name])})

    def _by(self, at: "_Place", section: Keys, key: str) -> set[str] | None:
        """The same at one place, by the first other value that the config takes there; None where there is none."""
        of_network = at.path[:1] == ("networks",)
        networks = tuple(dict.fromkeys([self.few[0], self.few[-1], at.path[1]])) if of_network else self.few
        for value in _others(at.section[key], self._schema_of(section, key), self.values.get(key, [])):
            raw = self._with(networks)
            changed: Any = raw
            for part in at.path:
                changed = changed[part]
            changed[key] = value
            try:
                experiment = Experiment.model_validate(raw)
            except ValidationError:
                continue
            before, after = self.before(networks), _results(experiment)
            return {name for name, files in after.items() if _differ(files, before[name])}
        return None

    def _schema_of(self, section: Keys, key: str) -> dict[str, Any]:
        of_model = self.schema if section.model is Experiment else self.schema["$defs"][section.model.__name__]
        found: dict[str, Any] = of_model["properties"][key]
        return found


class _Place(NamedTuple):
    """A section of the example, and where it stands."""

    path: tuple[str, ...]
    section: dict[str, Any]


def _instances(below: Any, path: list[str], above: tuple[str, ...] = ()) -> Iterator[_Place]:
    """The sections of the example at a path, in which NAME is any name."""
    if not isinstance(below, dict):  # an optional section that is not there
        return
    if not path:
        yield _Place(above, below)
        return
    first, *rest = path
    for name in below if first == NAME else {first} & below.keys():
        yield from _instances(below[name], rest, (*above, name))


def _others(value: Any, schema: Mapping[str, Any], given: Iterable[Any]) -> Iterator[Any]:
    """Other values of a key: those that are given, or such as its schema shows."""
    for choice in schema.get("anyOf", [schema]):
        yield from (other for other in choice.get("enum", []) if other != value)
        if choice.get("type") == "boolean":
            yield not value
        if choice.get("type") in ("integer", "number") and value is not None:
            yield from (value + 1, value * 2, value / 2)
        if choice.get("maxItems") == 2:
            yield [value[0], value[1] + 1]
    yield from given


def _results(experiment: Experiment, other: str | None = None) -> dict[str, dict[str, Any]]:
    """What decides each result of an experiment, by the name of the result and of a file. other: the use of which all
    pairs are others than without.
    """
    sources: Any = SimpleNamespace(
        pairs=lambda name, use: str(use == other),
        weights=file_digest,
        source=lambda place: read_source(place).digest,
    )
    plan = Plan(experiment, sources)
    found: dict[str, dict[str, Any]] = {name: {} for name in ORDER}
    for file, artifact in plan.made.items():
        made_by = artifact.recipe.module if isinstance(artifact.recipe, StateRecipe) else artifact.rule
        found[MADE_BY[made_by]][file] = [artifact.recipe, artifact.inputs]
    for measured in plan.measured:
        found[MEASURED_BY[measured.rule]][measured.files[0]] = [measured.recipe, measured.inputs]
    found[CHORD][""] = [plan.blends, {stage.method for stage in plan.chorded}]
    if experiment.photographs:
        files, _ = photographs(experiment.photographs.files, Path("results"), compare=True)
        methods = {stage.method for stage in plan.restoring} - {GIVEN}  # that one restores whatever methods are named
        found[RESTORED][""] = [files, methods]
    found[STAGES][""] = plan.thetas
    found[FOLDER][""] = PagePlan(plan).folder
    for name, samples in _pairs(experiment.model_dump(mode="json")["datasets"]).items():
        for split in SPLITS:
            found[PAIRS[split]][name] = [sample for sample in samples if sample.split == split]
    return found


def _pairs(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Sample]]:
    """The pairs of each dataset, by its section; those that others draw layers of come first."""
    pairs: dict[str, list[Sample]] = {}
    for name in sorted(sections, key=lambda name: source_of(sections[name].get("rain")) is not None):
        source = source_of(sections[name].get("rain"))
        drawn_of = source and json.dumps(sections[source])
        pairs[name] = _pairs_of(json.dumps(sections[name]), source, drawn_of)
    return pairs


@cache  # most keys are none of a dataset, and others of one
def _pairs_of(section: str, source: str | None, drawn_of: str | None) -> list[Sample]:
    """The pairs of a dataset. section: in JSON; source, drawn_of: name and section of the one whose layers it takes."""
    own: dict[str, Any] = json.loads(section)
    samples, _ = divide(discover(own, trained=True)[0], own, trained=True, background={})
    samples, _ = hold_out([_with_size(sample) for sample in samples], own)
    layers = {source: _pairs_of(drawn_of, None, None)} if source and drawn_of else {}
    pairs, _ = complete_pairs(samples, own, layers)
    return pairs


def _with_size(sample: Sample) -> Sample:
    """The sample with a size, which an empty file has not."""
    return sample if sample.recipe else replace(sample, height=SIDE, width=SIDE)


def _differ(files: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    return any(files[name] != before[name] for name in files.keys() & before.keys())


def _in_words(results: set[str]) -> str:
    trainings = {MADE_BY[rule] for rule in TRAININGS}
    if results >= trainings:
        results = results - trainings | {EVERY_TRAINING}
    return ", ".join(name for name in ORDER if name in results) or NOTHING
