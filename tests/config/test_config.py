import copy
from functools import partial
from typing import get_args

import pytest
import yaml
from derain.config import experiment as config
from derain.config.methods import States
from derain.curriculum import RESERVED
from derain.data.layouts import LAYOUTS
from derain.method.ingredients import INGREDIENTS
from faults import faults_of
from places import REPOSITORY

RAIN = {"angle": [0, 10], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.3]}
GOOD = {
    "orders": [["mild", "heavy"], ["heavy", "mild"]],
    "datasets": {"mild": {"layout": "rendered", "rain": {**RAIN}}, "heavy": {"layout": "rendered", "rain": {**RAIN}}},
    "networks": {"small": {"backbone": "prenet"}},
    "importances": {"gradient": {"patches": 10}},
    "methods": {
        "finetune": {},
        "nr": {"penalty": {"importance": "gradient", "strength": 1}, "distillation": {"strength": 0.1}},
    },
}


def _with(path, value):
    """GOOD with one value changed; a dot between keys."""
    changed = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    section = changed
    for key in parents:
        section = section[int(key)] if isinstance(section, list) else section.setdefault(key, {})
    section[int(last) if isinstance(section, list) else last] = value
    return changed


def _without(path):
    changed = _with(path, None)
    *parents, last = path.split(".")
    section = changed
    for key in parents:
        section = section[key]
    del section[last]
    return changed


_faults = partial(faults_of, config.read_experiment)


def test_the_good_config_is_good_and_the_embedded_default_too():
    assert config.read_experiment(GOOD).methods["nr"].penalty.strength == 1
    default = config.read_experiment(yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8")))
    assert len(default.orders) >= 2
    assert {"finetune", "nr"} <= default.methods.keys()
    assert default.joint is not None


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("trainning", "training"),
        ("datasets.mild.rian", "rain"),
        ("datasets.mild.rain.brigthness", "brightness"),
        ("networks.small.chanels", "channels"),
        ("training.learning_rat", "learning_rate"),
        ("importances.gradient.patchs", "patches"),
        ("methods.finetune.penaltly", "penalty"),
        ("methods.nr.penalty.strenght", "strength"),
        ("methods.nr.distillation.los", "loss"),
        ("joint.steps_per_datasets", "steps_per_dataset"),
        ("evaluation.splitt", "split"),
    ],
)
def test_an_unknown_key_is_named_with_its_path_and_the_nearest_known_one(path, nearest):
    assert _faults(_with(path, 1)) == [f"config: {path}: unknown key; did you mean {nearest!r}?"]


def test_an_unknown_key_like_no_other_is_answered_with_all_that_are_known():
    (line,) = _faults(_with("methods.nr.penalty.zzz", 1))
    assert line.startswith("config: methods.nr.penalty.zzz: unknown key (known: form, strength, normalisation")


@pytest.mark.parametrize(
    ("required", "misspelt"),
    [
        ("methods.nr.penalty.strength", "strenght"),
        ("datasets.mild.layout", "layuot"),
        ("datasets.mild.rain", "rains"),
        ("orders", "order"),
    ],
)
def test_a_required_key_that_is_misspelt_is_one_fault_not_two(required, misspelt):
    raw = _without(required)
    *parents, last = required.split(".")
    section = raw
    for key in parents:
        section = section[key]
    section[misspelt] = GOOD
    path = ".".join([*parents, misspelt])
    assert _faults(raw) == [f"config: {path}: unknown key; did you mean {last!r}?"]


@pytest.mark.parametrize(
    "path",
    ["orders", "datasets", "networks", "methods", "datasets.mild.layout", "datasets.mild.rain.angle",
     "methods.nr.penalty.strength", "networks.small.backbone"],
)  # fmt: skip
def test_a_required_key_that_is_missing_is_named_with_its_path(path):
    assert _faults(_without(path)) == [f"config: {path}: is missing"]


def test_a_dataset_or_method_named_like_a_section_confuses_no_path():
    raw = copy.deepcopy(GOOD)
    raw["datasets"]["train"] = raw["datasets"].pop("mild") | {"tils": 3}
    raw["orders"] = [["train", "heavy"]]
    raw["methods"]["penalty"] = {"distilation": {}}
    assert sorted(_faults(raw)) == [
        "config: datasets.train.tils: unknown key; did you mean 'tiles'?",
        "config: methods.penalty.distilation: unknown key; did you mean 'distillation'?",
    ]


WRONG_VALUES = [
    ("datasets.mild.layout", "renderd",
     f"datasets.mild.layout: 'renderd' is not one of rendered, folders, {', '.join(LAYOUTS)};"
     " did you mean 'rendered'?"),
    ("training.loss", "negative_sim",
     "training.loss: 'negative_sim' is not one of negative_ssim, l1, mse, charbonnier, negative_psnr;"
     " did you mean 'negative_ssim'?"),
    ("methods.nr.penalty.form", "ewc", "methods.nr.penalty.form: 'ewc' is not one of absolute, squared, pigwm"),
    ("networks.small.backbone", "prenett",
     "networks.small.backbone: 'prenett' is not one of prenet, nafnet, restormer, FILE.py:CLASS; did you mean"
     " 'prenet'?"),
    ("networks.small", {"backbone": "nafnet", "encoder": [1, 2]},
     "networks.small.decoder: lists 3 levels, and encoder 2; both need the same number"),
    ("networks.small", {"backbone": "nafnet", "encoder": []}, "networks.small.encoder: is empty"),
    ("networks.small", {"backbone": "nafnet", "encoder": [1] * 9},
     "networks.small.encoder: lists 9 values, more than 8"),
    ("networks.small", {"backbone": "nafnet", "decoder": [1, 0, 1]},
     "networks.small.decoder[1]: should be greater than or equal to 1, not 0"),
    ("networks.small", {"backbone": "nafnet", "widht": 8},
     "networks.small.widht: unknown key; did you mean 'width'?"),
    ("networks.small", {"backbone": "nafnet", "stages": 8},
     "networks.small.stages: unknown key (known: initial_weights, evaluate_only, scored_on, learned, "
     "stand_in, omega, references, backbone, width,"
     " encoder, middle, decoder)"),
    ("networks.small", {"backbone": "restormer", "blocks": [1, 1, 1]}, "networks.small.blocks[3]: is missing"),
    ("networks.small", {"backbone": "restormer", "heads": [1] * 5},
     "networks.small.heads: lists 5 values, more than 4"),
    ("networks.small", {"backbone": "restormer", "width": 15},
     "networks.small.width: 15 is odd; the step to level 2 halves it"),
    ("networks.small", {"backbone": "restormer", "width": 18, "heads": [1, 5, 1, 1]},
     "networks.small.heads[1]: 5 does not divide the 36 channels of level 2"),
    ("networks.small", {"backbone": "restormer", "expansion": 0.5},
     "networks.small.expansion: should be greater than or equal to 1, not 0.5"),
    ("networks.small", None, "networks.small: should be keys with values, not None"),
    ("networks.small", {"backbone": "nowhere.py:Network"},
     "networks.small.backbone: there is no file 'nowhere.py'"),
    ("networks.small", {"backbone": "/tmp/:Network"},
     "networks.small.backbone: '/tmp/:Network' is neither FILE.py:CLASS nor MODULE:CLASS"),
    ("networks.small", {"backbone": "my.py:"},
     "networks.small.backbone: 'my.py:' is neither FILE.py:CLASS nor MODULE:CLASS"),
    ("networks.small", {"backbone": "torch.nn:Identity", "option": {}},
     "networks.small.option: unknown key; did you mean 'options'?"),
    ("networks.small", {"backbone": "torch.nn:Identity", "options": [1]},
     "networks.small.options: should be keys with values, not [1]"),
    ("networks.small", {"backbone": "torch.nn:Identity", "options": {"a": 1, "b": float("nan")}},
     "networks.small.options: 'b' is no JSON value: nan"),
    ("methods.nr.penalty.strength", -1,
     "methods.nr.penalty.strength: should be greater than or equal to 0, not -1"),
    ("methods.nr.distillation.strength", -0.5,
     "methods.nr.distillation.strength: should be greater than or equal to 0, not -0.5"),
    ("methods.nr.penalty.strength", float("nan"),
     "methods.nr.penalty.strength: should be a finite number, not nan"),
    ("training.steps", 0, "training.steps: should be greater than or equal to 1, not 0"),
    ("training.steps", "many",
     "training.steps: should be a valid integer, unable to parse string as an integer, not 'many'"),
    ("training.patch", [32], "training.patch: should be a valid integer, not [32]"),
    ("datasets.mild.rain.angle", 5, "datasets.mild.rain.angle: should be a list, not 5"),
    ("datasets.mild.rain.angle", [5], "datasets.mild.rain.angle[1]: is missing"),
    ("datasets.mild.rain.density", 2, "datasets.mild.rain.density: should be less than 1, not 2"),
    ("datasets", None, "datasets: should be keys with values, not None"),
    ("datasets.mild", "rendered", "datasets.mild: should be keys with values, not 'rendered'"),
    ("methods.nr", None, "methods.nr: should be keys with values, not None"),
    ("training", 3, "training: should be keys with values, not 3"),
    ("orders.0", "mild", "orders[0]: should be a list, not 'mild'"),
    ("seeds", [-1], "seeds[0]: should be greater than or equal to 0, not -1"),
    ("seeds", [0, 0], "seeds: 0 stands twice"),
    ("device", "gpu", "device: 'gpu' is not one of auto, cpu, cuda; did you mean 'cpu'?"),
    ("methods.nr.penalty.importance", "gradeint",
     "methods.nr.penalty.importance: no importance is called 'gradeint'; did you mean 'gradient'?"),
    ("orders", [["mild", "heavie"]], "orders[0]: no dataset is called 'heavie'; did you mean 'heavy'?"),
    ("orders", [["mild", "heavy"], ["mild", "heavy", "mild"]], "orders[1]: 'mild' stands twice"),
    ("orders", [["mild"], ["mild"]], "orders: ['mild'] stands twice"),
    ("orders", [[]], "orders[0]: is empty"),
    ("orders", [], "orders: is empty"),
    ("seeds", [], "seeds: is empty"),
    ("methods", {}, "methods: is empty"),
    ("evaluation.datasets", ["real"], "evaluation.datasets: no dataset is called 'real' (known: mild, heavy)"),
    ("evaluation.datasets", ["mild"],
     "evaluation.datasets: 'mild' is trained on by an order, and so scored anyway"),
    ("datasets.mild.test", ["coffee.png"],
     "datasets.mild: coffee.png stands twice: a photograph belongs to one split"),
]  # fmt: skip


RULE = {"datasets": ["mild", "heavy"], "choose": "all"}


def test_orders_by_rule_are_the_list_that_they_stand_for():
    def orders(**rule):
        return config.read_experiment(_with("orders", RULE | rule)).orders

    assert orders() == (("mild", "heavy"), ("heavy", "mild"))
    assert orders(choose="rotations") == (("mild", "heavy"), ("heavy", "mild"))
    assert set(orders(choose="random", count=5)) == {("mild", "heavy"), ("heavy", "mild")}
    assert len(orders(choose="random", count=1, seed=4)) == 1


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"choose": "alll"},
         "orders.choose: 'alll' is not one of all, rotations, random; did you mean 'all'?"),
        ({"choose": None}, "orders.choose: None is not one of all, rotations, random"),
        ({"datasets": []}, "orders.datasets: is empty"),
        ({"datasets": "mild"}, "orders.datasets: should be a list, not 'mild'"),
        ({"datasets": ["mild", 3]}, "orders.datasets[1]: should be text, and 3 is not text in YAML; put it in quotes"),
        ({"datasets": ["mild", "mild"]}, "orders.datasets: 'mild' stands twice"),
        # two permutations of equal names are never two distinct orders
        ({"datasets": ["mild", "mild"], "choose": "random"}, "orders.datasets: 'mild' stands twice"),
        ({"datasets": ["mild", "heavie"]}, "orders[0]: no dataset is called 'heavie'; did you mean 'heavy'?"),
        ({"choose": "random", "count": 0}, "orders.count: should be greater than or equal to 1, not 0"),
        ({"choose": "random", "seed": -1}, "orders.seed: should be greater than or equal to 0, not -1"),
        ({"counts": 3}, "orders.counts: unknown key; did you mean 'count'?"),
    ],
)  # fmt: skip
def test_a_bad_rule_for_orders_is_one_line_that_names_its_key(change, line):
    assert _faults(_with("orders", RULE | change)) == [f"config: {line}"]


def test_a_rule_without_or_with_a_misspelt_key_is_one_fault():
    assert _faults(_with("orders", {"datasets": ["mild"]})) == ["config: orders.choose: is missing"]
    assert _faults(_with("orders", {"datasets": ["mild"], "chose": "all"})) == [
        "config: orders.chose: unknown key; did you mean 'choose'?"
    ]


WRONG_METHODS = [  # and what methods need
    ("methods.nr.memory", {"name": "pairs"},
     "methods.nr.memory.name: no memory is called 'pairs' (known: none)"),
    ("methods.finetune.search", {}, "methods.finetune: search: there is no strength above 0 to scale"),
    ("methods.nr.search", {"scales": []}, "methods.nr.search.scales: is empty"),
    ("methods.nr.search", {"scales": [0]}, "methods.nr.search.scales[0]: should be greater than 0, not 0"),
    ("methods.nr.search", {"give_up": 1}, "methods.nr.search.give_up: should be less than 1, not 1"),
    ("methods.nr.distillation", {"strength": 1, "intensity": "rain"},
     "methods.nr.distillation.intensity: no intensity is called 'rain' (known: none)"),
    ("methods.nr.distillation", {"strength": 1, "intensity": "rain", "rain": [0.5, 2]},
     "methods.nr.distillation.rain: does not go with intensity: each decides how strong the distilled rain is"),
    ("methods.finetune.blend", {"alpha": 1}, "methods.finetune.blend.alpha: should be less than 1, not 1"),
    ("methods.finetune.blend", {"alphas": []}, "methods.finetune.blend.alphas: is empty"),
    ("methods.finetune.blend", {"alpha": 0.5, "give_up": 0.2},
     "methods.finetune.blend: give_up: goes with a chosen alpha, and alpha is given"),
    ("methods.nr", {"penalty": {"strength": 1}, "search": {}, "blend": {}},
     "methods.nr: search: does not go with blend: each chooses the θ of a stage"),
    ("importances.gradient.of", "los",
     "importances.gradient.of: 'los' is not one of loss, output; did you mean 'loss'?"),
    ("memories", {"first": {}}, "memories: 'first' is reserved (first, joint, given, individual, all)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"evaluation": {"chord": [1]}}, "evaluation.chord[0]: should be less than 1, not 1"),
        ({"evaluation": {"chord": [0]}}, "evaluation.chord[0]: should be greater than 0, not 0"),
        ({"evaluation": {"chord": [0.5, 0.5]}}, "evaluation.chord: 0.5 stands twice"),
        ({"evaluation": {"chord_of": "all"}}, "evaluation.chord_of: needs chord, the shares of the blends"),
        ({"evaluation": {"chord_importance": "gradient"}},
         "evaluation.chord_importance: needs chord, the shares of the blends"),
        ({"evaluation": {"chord": [0.5], "chord_importance": "gradeint"}},
         "evaluation.chord_importance: no importance is called 'gradeint'; did you mean 'gradient'?"),
        ({"evaluation": {"chord": [0.5]}, "methods": {"lwf": {"distillation": {"strength": 1}}}},
         "evaluation.chord: needs plain fine-tuning, whose blends are the chord, among methods: finetune: {}"),
    ],
)  # fmt: skip
def test_a_chord_without_what_it_needs_is_one_line(changes, line):
    assert _faults(copy.deepcopy(GOOD) | changes) == [f"config: {line}"]


@pytest.mark.parametrize(
    ("training", "line"),
    [
        ({"parts": 9}, "training.parts: 9 is more than training.batch, 8"),
        ({"devices": 2},
         "training.devices: 2 cannot share training.parts, 1, evenly; set parts to 2 or a multiple"
         " (parts decide the last bits of θ, devices none)"),
        ({"parts": 4, "devices": 3},
         "training.devices: 3 cannot share training.parts, 4, evenly; set parts to 3 or a multiple"
         " (parts decide the last bits of θ, devices none)"),
    ],
)  # fmt: skip
def test_processes_that_cannot_share_a_batch_are_refused(training, line):
    assert _faults(_with("training", {"batch": 8} | training)) == [f"config: {line}"]


def test_processes_may_be_fewer_than_the_parts_that_they_share():
    assert config.read_experiment(_with("training", {"batch": 5, "parts": 4, "devices": 2})).training.devices == 2


@pytest.mark.parametrize(("share", "kind"), [(0.01, "old"), (0.99, "new"), (1, "new")])
def test_a_share_of_memory_that_leaves_no_place_for_old_or_new_is_refused(share, kind):
    raw = _with("memories", {"rain": {}})
    raw["methods"]["nr"]["memory"] = {"name": "rain", "share": share}
    (line,) = _faults(raw)
    assert line == f"config: methods.nr.memory.share: {share} of training.batch, 8, leaves no place for {kind} patches"
    raw["methods"]["nr"]["memory"]["share"] = 0.5
    config.read_experiment(raw)


def test_as_many_old_samples_as_new_ones_may_be_added():
    raw = _with("memories", {"rain": {}})
    raw["methods"]["nr"]["memory"] = {"name": "rain", "share": 1, "places": "add"}
    assert config.read_experiment(raw).methods["nr"].memory.share == 1
    raw["methods"]["nr"]["memory"]["share"] = 1.1
    assert _faults(raw)


def _renamed(name):
    raw = copy.deepcopy(GOOD)
    raw["datasets"][name] = raw["datasets"].pop("mild")
    raw["orders"] = [[name, "heavy"]]
    return raw


@pytest.mark.parametrize("name", ["a/b", "a+b", "a>b", "..", ".hidden", "", "a b", "é", "a\nb", "-n", "{x}", "a*"])
def test_a_dataset_name_that_is_no_safe_file_name_is_refused(name):
    (line,) = _faults(_renamed(name))
    assert line.startswith(f"config: datasets: {name!r} is no safe file name")


@pytest.mark.parametrize("name", RESERVED)
def test_a_reserved_dataset_or_method_name_is_refused(name):
    (line,) = _faults(_renamed(name))
    assert line.startswith(f"config: datasets: {name!r} is reserved")
    (line,) = _faults(_with(f"methods.{name}", {}))
    assert line.startswith(f"config: methods: {name!r} is reserved")


def test_an_importance_with_a_dot_in_its_name_is_refused_for_its_file_could_not_be_told_from_a_shard():
    raw = _with("importances", {"gradient": {}, "gradient.v2": {}})
    (line,) = _faults(raw)
    assert line.startswith("config: importances: 'gradient.v2' has a '.'")


def test_names_that_yaml_reads_as_numbers_are_to_be_quoted():
    raw = copy.deepcopy(GOOD)
    raw["datasets"][1400] = raw["datasets"]["mild"]
    assert _faults(raw) == ["config: datasets: the name 1400 is no text; put it in quotes"]


FOLDERS = {"layout": "folders", "train": {"rainy": "rain/{scene}.png", "clean": "clean/{scene}.png"}}


def test_a_missing_folder_is_named(tmp_path):
    missing = str(tmp_path / "nowhere")
    (line,) = _faults(_with("datasets.mild", FOLDERS | {"root": missing}))
    assert line == f"config: datasets.mild.root: there is no folder {missing!r}"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"train": {"rainy": "rain/*.png", "clean": "clean/{scene}.png"}},
         "datasets.mild.train: the pattern 'rain/*.png'"),
        ({"train": None}, "datasets.mild: needs train or test patterns"),
        ({"train": None, "test": FOLDERS["train"]},
         "datasets.mild: is trained on by an order, but has no train patterns"),
    ],
)  # fmt: skip
def test_patterns_of_folders_that_cannot_train_are_refused(change, fault, tmp_path):
    (line,) = _faults(_with("datasets.mild", FOLDERS | {"root": str(tmp_path)} | change))
    assert line.startswith(f"config: {fault}")


def test_several_faults_are_told_at_once_each_in_its_line():
    raw = _with("orders", [["mild", "heavie"], ["mild", "mild"]])
    raw["methods"]["nr"]["penalty"]["importance"] = "none"
    assert len(_faults(raw)) == 3
    raw = _with("training.steps", -1)
    raw["methods"]["nr"]["penalty"]["strength"] = -1
    raw["colour"] = "blue"
    assert len(_faults(raw)) == 3


def test_a_long_wrong_value_is_cut_to_one_line_that_can_be_read():
    (line,) = _faults(_with("training.steps", ["x\n"] * 500))
    assert len(line) < 150


BEYOND_USE = [  # no numbers, no paths, or too large
    ("seeds", [True], "seeds[0]: should be a number, not true"),
    ("seeds", [2**64], "seeds[0]: should be less than or equal to 9223372036854775807, not 18446744073709551616"),
    ("training.steps", True, "training.steps: should be a number, not true"),
    ("training.learning_rate", False, "training.learning_rate: should be a number, not false"),
    ("training.learning_rate", float("inf"), "training.learning_rate: should be a finite number, not inf"),
    ("training.learning_rate", "1e400", "training.learning_rate: should be a finite number, not '1e400'"),
    ("training.checkpoint_every", float("inf"), "training.checkpoint_every: should be a finite number, not inf"),
    ("training.validate_every", 10**30,
     "training.validate_every: should be less than or equal to 9223372036854775807, not"
     f" {10**30}"),
    ("networks.small.channels", 10**7,
     "networks.small.channels: should be less than or equal to 10000, not 10000000"),
    ("methods.nr.penalty.strength", True, "methods.nr.penalty.strength: should be a number, not true"),
    ("methods.nr.distillation.rain", [1, float("inf")],
     "methods.nr.distillation.rain[1]: should be a finite number, not inf"),
    ("methods.nr.distillation.rain", [2, 1], "methods.nr.distillation.rain: needs the lower number first"),
    ("methods.nr.distillation.rain", [0, 1], "methods.nr.distillation.rain[0]: should be greater than 0, not 0"),
    ("datasets.mild.rain.length", [9, -9],
     "datasets.mild.rain.length[1]: should be greater than or equal to 0, not -9"),
    ("datasets.mild.rain.length", [9, 8], "datasets.mild.rain.length: needs the lower number first"),
    ("datasets.mild.rain.length", [9, 1e9],
     "datasets.mild.rain.length[1]: should be less than or equal to 2000, not 1000000000.0"),
    ("datasets.mild.rain.angle", [float("nan"), 0],
     "datasets.mild.rain.angle[0]: should be a finite number, not nan"),
    ("datasets.mild.rain.width", 1e6,
     "datasets.mild.rain.width: should be less than or equal to 500, not 1000000.0"),
    ("datasets.mild.rain.blur", float("inf"),
     "datasets.mild.rain.blur: should be less than or equal to 500, not inf"),
    ("datasets.mild.renders", 10**9,
     "datasets.mild.renders: should be less than or equal to 10000, not 1000000000"),
    ("evaluation.rounding", ["none", "none"], "evaluation.rounding: 'none' stands twice"),
    ("evaluation.datasets", ["x", "x"], "evaluation.datasets: 'x' stands twice"),
    ("orders", [["mild", False]], "orders[0][1]: should be text, and False is not text in YAML; put it in quotes"),
    ("stage_store", "", "stage_store: is empty"),
    ("stage_store", "~nobody-here/x", "stage_store: '~nobody-here/x': there is no home of such a user"),
    ("stage_store", "a\0b", "stage_store: 'a\\x00b' is no path"),
    ("stage_store", "\ud800", "stage_store: '\\ud800' is no path"),
    ("container", "two words.sif",
     "container: 'two words.sif' is no file or address of letters, digits and ./:@_+=-"),
    ("container", "--help", "container: '--help' is no file or address of letters, digits and ./:@_+=-"),
    ("local_scratch", "tmp",
     "local_scratch: 'tmp' is not absolute and does not begin with a variable, like $TMPDIR"),
    ("networks.small.initial_weights", " ", "networks.small.initial_weights: is empty"),
    ("networks.small.initial_weights", "x" * 300,
     f"networks.small.initial_weights: {'x' * 40!r}... is too long for a path"),
    ("stage_store", "x/" * 2050, f"stage_store: {'x/' * 20!r}... is too long for a path"),
    ("datasets.mild.test", ["../x.png"],
     "datasets.mild.test[0]: String should match pattern '^[A-Za-z0-9_.-]{1,100}$', not '../x.png'"),
    ("datasets.mild.test", ["x" * 300],
     f"datasets.mild.test[0]: String should match pattern '^[A-Za-z0-9_.-]{{1,100}}$', not '{'x' * 56}..."),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "line"), [*WRONG_VALUES, *WRONG_METHODS, *BEYOND_USE])
def test_every_wrong_value_is_one_line_that_names_its_key_and_what_was_expected(path, value, line):
    assert _faults(_with(path, value)) == [f"config: {line}"]


def test_numbers_that_yaml_reads_as_text_are_numbers():
    assert config.read_experiment(_with("training.learning_rate", "1e-3")).training.learning_rate == 0.001
    assert config.read_experiment(_with("training.steps", "30")).training.steps == 30


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"clean": "norain"}, "datasets.mild.clean: 'norain' is not one of left, right"),
        ({"clean": 3}, "datasets.mild.clean: 3 is not one of left, right"),
        ({"root": ""}, "datasets.mild.root: is empty"),
        ({"validation_list": ""}, "datasets.mild.validation_list: is empty"),
        ({"train": {"list": ""}}, "datasets.mild.train.list: is empty"),
        ({"test": {"list": "x" * 300}}, f"datasets.mild.test.list: {'x' * 40!r}... is too long for a path"),
    ],
)
def test_an_optional_key_of_a_dataset_on_disk_is_judged_like_others(change, line, tmp_path):
    assert _faults(_with("datasets.mild", FOLDERS | {"root": str(tmp_path)} | change)) == [f"config: {line}"]


@pytest.mark.parametrize("name", ["x" * 5000, "\x1b[31m", "a\nb"])
def test_an_unknown_key_is_told_in_one_line_that_can_be_printed(name):
    (line,) = _faults(GOOD | {name: 1})
    assert line.isprintable()
    assert len(line) < 400


@pytest.mark.parametrize("raw", [None, [], 3, {1: 2}, {None: {}}])
def test_what_is_no_section_of_named_keys_is_no_config(raw):
    assert _faults(raw)[0].startswith("config: ")


def test_what_aliases_blow_up_is_told_in_one_line():
    value = ["x"]
    for _ in range(60):
        value = [value] * 9
    (line,) = _faults(_with("training.steps", value))
    assert len(line) < 150


# --- the name of an experiment


@pytest.mark.parametrize("name", ["first", "2026-11.try_2", None])
def test_an_experiment_may_have_a_name(name):
    assert config.read_experiment(_with("name", name)).name == name


@pytest.mark.parametrize(
    "name",
    ["", "a/b", "..", ".hidden", "-f", "stages", "Tables", "LOGS", "report.html", "partial.html", 1400, True, ["a"]],
)
def test_a_name_that_is_no_folder_of_its_own_is_one_line(name):
    (line,) = _faults(_with("name", name))
    assert line.startswith("config: name: ")


# --- photographs


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ({}, "photographs.files: is missing"),
        ({"files": []}, "photographs.files: is empty"),
        ({"files": "x"}, "photographs.files: should be a list, not 'x'"),
        ({"files": ["x", ""]}, "photographs.files[1]: is empty"),
        ({"files": ["x", "x"]}, "photographs.files: 'x' stands twice"),
        ({"files": ["~nobody-here/x"]}, "photographs.files[0]: '~nobody-here/x': there is no home of such a user"),
        ({"files": ["x"], "methods": ["n"]}, "photographs.methods: no method is called 'n'; did you mean 'nr'?"),
        ({"files": ["x"], "method": ["nr"]}, "photographs.method: unknown key; did you mean 'methods'?"),
        ({"files": ["x"], "memory": "2 apples"},
         "photographs.memory: '2 apples' is no number of bytes, such as 2G or 500M"),
        ({"files": ["x"], "memory": "0G"}, "photographs.memory: '0G' is no number of bytes, such as 2G or 500M"),
        ({"files": ["x"], "memory": 0}, "photographs.memory: should be greater than or equal to 1, not 0"),
        ({"files": ["x"], "memory": True}, "photographs.memory: should be a number, not true"),
        ({"files": ["x"], "memory": "9" * 15 + "G"},
         f"photographs.memory: should be less than or equal to {2**63 - 1}, not '999999999999999G'"),
    ],
)  # fmt: skip
def test_a_fault_of_the_photographs_is_one_line(section, line):
    assert _faults(_with("photographs", section)) == [f"config: {line}"]


@pytest.mark.parametrize(("memory", "number"), [("500M", 5 * 10**8), ("2Gi", 2**31), ("7 kB", 7000), (3000, 3000)])
def test_the_memory_of_a_restoration_is_a_number_of_bytes(memory, number):
    read = config.read_experiment(_with("photographs", {"files": ["x"], "memory": memory}))
    assert read.photographs.memory == number
    assert config.read_experiment(read.model_dump(mode="json")) == read


@pytest.mark.parametrize("state", [each.state for each in INGREDIENTS if each.state], ids=lambda state: state.file)
def test_a_state_that_is_made_from_data_alone_counts_its_bytes_and_one_made_from_theta_none(state):
    _, kind = get_args(States.model_fields[state.kinds].annotation)
    assert (kind().bytes_of_dataset(32) > 0) == (not state.sees_theta)
