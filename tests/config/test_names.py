import copy
import os
import sys
from functools import partial

import pytest
from derain.config import names
from derain.config.experiment import read_experiment
from derain.config.names import count_jobs
from derain.errors import UserError
from derain.plan.page import PagePlan
from derain.plan.plan import Plan
from faults import faults_of
from places import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "benchmarks/faults"))
from fuzz_config import FULL

RENDERED = FULL["datasets"]["b"]
EXPERIMENT = {
    "seeds": [0, 11],
    "orders": [["a", "b", "c"], ["c", "b", "a"]],
    "datasets": dict.fromkeys("abcd", RENDERED),
    "networks": {"n": {"backbone": "prenet"}, "m": {"backbone": "prenet", "stages": 2}},
    "importances": {"i": {"shards": 3}},
    "intensities": {"r": {}},
    "memories": {"k": {}},
    "methods": {
        "finetune": {},
        "mixed": {"blend": {}},
        "nr": {
            "penalty": {"importance": "i", "strength": 1},
            "memory": {"name": "k"},
            "distillation": {"strength": 1, "intensity": "r"},
            "search": {"scales": [3, 1e-7]},
        },
    },
    "joint": {"steps_per_dataset": 3, "prefixes": True},
    "evaluation": {"datasets": ["d"], "split": True, "theory_patches": 1, "chord": [0.3], "chord_importance": "i"},
}


def _with(**sections):
    return copy.deepcopy(EXPERIMENT) | sections


def _renamed(renamed):
    """EXPERIMENT with other names, by those that it has."""

    def other(value):
        if isinstance(value, dict):
            return {renamed.get(key, key): other(below) for key, below in value.items()}
        if isinstance(value, list):
            return [other(below) for below in value]
        return renamed.get(value, value) if isinstance(value, str) else value

    return other(EXPERIMENT)


_faults = partial(faults_of, read_experiment)


@pytest.mark.parametrize("section", ["datasets", "networks", "importances", "intensities", "memories", "methods"])
def test_names_that_differ_in_letter_case_only_are_refused(section):
    first = next(iter(EXPERIMENT[section]))
    raw = _with(**{section: EXPERIMENT[section] | {first.upper(): EXPERIMENT[section][first]}})
    assert _faults(raw) == [
        f"config: {section}: {first.upper()!r} and {first!r} differ in letter case only, which some file systems ignore"
    ]


@pytest.mark.parametrize("name", ["Joint", "FIRST", "All"])
def test_a_reserved_name_is_reserved_in_any_letter_case(name):
    (line,) = _faults(_with(methods=EXPERIMENT["methods"] | {name: {}}))
    assert line.startswith(f"config: methods: {name!r} is reserved")


@pytest.mark.parametrize(
    "name",
    ["scores", "Previews", "restored", "chord", "theta.safetensors", "training.csv", "strength.csv", "theory.csv",
     "origin.json", "omega.safetensors", "memory-k.safetensors", "theta.safetensors.checkpoint", "leaks.json",
     "theta.safetensors.checkpoint.set-aside", "events.out.tfevents.1", "training.csv.partial"],
)  # fmt: skip
def test_a_dataset_is_called_like_no_file_of_a_stage(name):
    (line,) = _faults(_renamed({"b": name}))
    assert line.startswith(
        f"config: datasets: {name!r} is a name of files in the folder of a stage (scores, previews, "
    )


def test_all_that_a_stage_has_in_its_folder_is_refused_as_a_dataset():
    plan = Plan(read_experiment(EXPERIMENT))
    files = [
        *plan.made,
        *plan.of_all_stages("scores/{part}.csv"),
        *plan.of_all_stages("previews/{part}.npz"),
        *_blends(plan),
    ]
    folders = {each.file("x").removesuffix("x") for each in plan.stages}
    below = {file.removeprefix(folder).split("/")[0] for file in files for folder in folders if file.startswith(folder)}
    for name in below - set("abc"):
        assert _faults(_renamed({"b": name}))[0].startswith(f"config: datasets: {name!r} is a name of files")


def test_scales_have_paths_of_their_own_and_stand_once():
    raw = _with()
    raw["methods"]["nr"]["search"]["scales"] = [0.1, 0.10000001, 0.1 + 2**-56, 1e-320, 1e300]
    plan = Plan(read_experiment(raw))
    assert len(set(plan.made_by("candidate"))) == len(plan.searched) * 6 + len(plan.mixed)
    raw["methods"]["nr"]["search"]["scales"] = [3, 1, 1.0]
    assert _faults(raw) == ["config: methods.nr.search.scales: 1.0 stands twice"]
    raw["methods"]["nr"]["search"]["scales"] = [1e308]
    raw["methods"]["nr"]["penalty"]["strength"] = 10
    assert _faults(raw) == ["config: methods.nr: search: a strength times 1e+308 is too large to be a finite number"]


# --- names and paths that are too long


def _blends(plan):
    return [each.file(blend.file) for each in plan.chorded for blend in plan.blends]


def _components(plan):
    """The names of all files and folders of an experiment, with what they are called while they are written."""
    page = PagePlan(plan)
    written = [
        *plan.made,
        *plan.of_all_stages("scores/{part}.csv"),
        *plan.of_all_stages("previews/{part}.npz"),
        *_blends(plan),
    ]
    written += [f"results/figures/{figure['name']}.svg" for figure in page.figures]
    endings = ["", names.PARTIAL, names.CHECKPOINT, names.CHECKPOINT + names.PARTIAL]
    for file in written:
        folders, _, name = file.rpartition("/")
        yield from folders.split("/")
        resumed = name.endswith(".safetensors") and name.startswith(("theta", "omega"))
        yield from (f"{name}{ending}" for ending in (endings if resumed else endings[:2]))


def test_no_file_of_the_plan_has_a_longer_name_than_is_reckoned_with():
    long = {name: f"{name}{section}" + "x" * 20 for section in names.LONGEST for name in EXPERIMENT[section]}
    experiment = read_experiment(_renamed(long))
    components = set(_components(Plan(experiment)))
    numbers = {"shards": 3, "orders": 2}
    for section, pattern in names.LONGEST.items():
        for name in getattr(experiment, section):
            with_name = [each for each in components if name in each and "+" not in each]
            assert with_name, name
            assert max(map(len, with_name)) <= len(pattern.format(name, **numbers)), name


@pytest.mark.parametrize("old", ["b", "n", "i", "k"])
def test_a_name_is_too_long_where_its_files_cannot_be_made(old, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (section,) = (section for section in names.LONGEST if old in EXPERIMENT[section])
    raw = _renamed({old: "x" * 150})
    del raw["joint"]
    experiment = read_experiment(raw)
    for name in set(_components(Plan(experiment))):
        (tmp_path / name).touch()
    (line,) = _faults(_renamed({old: "x" * 240}))
    assert line.startswith(f"config: {section}: 'xxx")
    assert " is too long: its files take " in line


def test_the_joint_network_of_many_datasets_is_refused_where_its_folder_cannot_be_made():
    many = {f"rain-streaks-{n:02d}": RENDERED for n in range(20)}
    raw = _with(
        datasets=many,
        orders=[list(many)],
        evaluation={},
        methods={"finetune": {}},
        networks={"n": {"backbone": "prenet"}},
    )
    (line,) = _faults(raw)
    assert line.startswith(
        "config: joint: the folder of the network of 20 datasets is named after them, 319 characters"
    )
    assert " 255: " in line
    raw["joint"] = None
    read_experiment(raw)


def test_a_path_that_is_too_long_is_refused():
    many = {f"{'x' * 100}{n:02d}": RENDERED for n in range(40)}
    raw = _with(datasets=many, orders=[list(many)], evaluation={}, methods={"finetune": {}}, joint=None)
    (line,) = _faults(raw)
    assert line.startswith("config: orders: a path of ")


# --- more than can be planned


def test_the_count_of_stages_is_that_of_the_plan_and_jobs_are_about_right():
    plan = Plan(read_experiment(EXPERIMENT))
    jobs, stages = count_jobs(plan.experiment)
    assert stages == len(plan.stages)
    really = len(plan.made) + len(plan.of_all_stages("scores/{part}.csv"))
    assert 0.7 * really < jobs < 1.5 * really


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ({"choose": "all"}, "479,001,600"),
        ({"choose": "random", "count": 10**9}, "479,001,600"),
        ({"choose": "random", "count": 10_001}, "10,001"),
    ],
)
def test_orders_beyond_reason_are_counted_and_not_made(rule, count):
    many = {f"d{n}": RENDERED for n in range(12)}
    (line,) = _faults(_with(datasets=many, orders={"datasets": list(many)} | rule, evaluation={}))
    assert line == (
        f"config: orders.choose: {rule['choose']!r} of 12 datasets makes {count} orders, and at least as many stages "
        "for each method, network and seed; more than 10,000 orders are not planned"
    )


def test_stages_beyond_reason_are_counted(monkeypatch):
    (line,) = _faults(_with(seeds=list(range(2000))))
    assert line.startswith("config: orders: 2 orders, with seeds, networks and methods, make ")
    assert line.endswith(" jobs; more than 50,000 are not planned")


def test_a_name_of_the_experiment_that_is_too_long_is_refused():
    longest = os.pathconf(".", "PC_NAME_MAX")
    assert read_experiment(EXPERIMENT | {"name": "x" * longest}).name
    with pytest.raises(UserError, match=rf"name: .* is too long: {longest + 1} of {longest} characters"):
        read_experiment(EXPERIMENT | {"name": "x" * (longest + 1)})
