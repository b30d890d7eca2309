"""The generated documents are those of the code, and what config.yaml says of defaults is true."""

import copy
import json
import re
import shlex
import shutil
import sys
from importlib import import_module
from itertools import groupby
from typing import get_args

import jsonschema
import pandas as pd
import pytest
import yaml
from derain.config.datasets import Folders, Rendered
from derain.config.experiment import Experiment
from derain.config.methods import Memory, Search
from derain.config.networks import NAFNet, Network, PReNet, Restormer
from derain.evaluation.continual import QUANTITIES, matrix_table, summary_table
from derain.evaluation.metrics import METRICS
from derain.method.ingredients import INGREDIENTS
from derain.plan.artifacts import TRAININGS
from derain.reference import __main__ as reference
from derain.reference.columns import COLUMNS, DESCRIBED, TERMS
from derain.reference.decides import MADE_BY, NOTHING, decided
from derain.reference.keys import sections, sections_in
from derain.reference.schema import config_schema
from derain.report.verdict import verdict
from places import REPOSITORY
from pydantic import BaseModel

sys.path.insert(0, str(REPOSITORY / "benchmarks/faults"))
from fuzz_config import FULL

pytestmark = pytest.mark.xdist_group("reference")  # one worker makes what its tests share

CONFIG = (REPOSITORY / "config.yaml").read_text(encoding="utf-8")
EXPERIMENTS = [REPOSITORY / "config.yaml", *sorted(REPOSITORY.glob("benchmarks/**/*.yaml"))]


@pytest.fixture(scope="module")
def documents():
    return reference.documents()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["config.md", "config.schema.json", "tables.md"])
def test_a_generated_document_is_what_the_code_generates(name, documents):
    text = (REPOSITORY / "docs/reference" / name).read_text(encoding="utf-8")
    assert text == documents[name], "renew it: env PYTHONPATH=scripts python -m derain.reference"


@pytest.mark.slow
def test_check_ends_with_1_where_a_document_is_out_of_date_and_writes_nothing(documents, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reference, "DOCS", tmp_path)
    monkeypatch.setattr(reference, "documents", lambda: documents)
    for arguments, code, files in ((["--check"], 1, 0), ([], 0, 3), (["--check"], 0, 3)):
        monkeypatch.setattr(sys, "argv", ["reference", *arguments])
        assert reference.main() == code
        assert len(list(tmp_path.iterdir())) == files
    (tmp_path / "tables.md").write_text("old", encoding="utf-8")
    capsys.readouterr()
    assert reference.main() == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/tables.md: ")


def test_hooks_are_programs_of_the_environment_and_need_no_network():
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    for repository in hooks["repos"]:
        assert repository["repo"] == "local"
        for hook in repository["hooks"]:
            assert hook["language"] == "system"
            assert shutil.which(shlex.split(hook["entry"])[0]), hook["id"]


# --- keys


def test_every_key_has_a_description_of_its_own():
    described = [
        (section.path(key), field.description)
        for section in sections()
        for key, field in section.model.model_fields.items()
    ]
    assert len(described) > 90
    assert not [path for path, description in described if not description or len(description) < 10]


@pytest.mark.slow
def test_the_results_that_a_key_decides_are_those_whose_recipe_has_it():
    found = {(section.path(key), section.note): what for (section, key), what in decided().keys.items()}
    assert set(found[("training.steps", "")].split(", ")) == {
        MADE_BY[rule] for rule in TRAININGS if rule != "joint"
    } | {
        "Ω",
        "the theory table",
    }
    assert found[("joint.steps_per_dataset", "")] == "θ of joint stages"
    assert found[("evaluation.ssim", "")] == "scores and previews, scores of blends"
    assert {found[(f"evaluation.{key}", "")] for key in ("chord", "chord_of", "chord_importance")} == {
        "scores of blends"
    }
    assert found[("datasets.NAME.tiles", "layout `rendered`")] == "validation pairs, test pairs"
    assert found[("methods.NAME.penalty.accumulation", "")] == "Ω̄"
    in_none = {path for (path, _), what in found.items() if what == NOTHING}
    assert in_none == {
        *(f"training.{key}" for key in ("devices", "workers", "log_every", "validate_every", "checkpoint_every")),
        *("training.tensorboard", "device", "stage_store", "local_scratch", "container", "evaluation.split"),
        *(f"datasets.NAME.{key}" for key in ("root", "small_images", "pack")),
    }


# --- the schema


@pytest.fixture(scope="module")
def validator():
    schema = config_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.name)
def test_the_schema_accepts_the_experiments_of_the_repository(file, validator):
    validator.validate(yaml.safe_load(file.read_text(encoding="utf-8")))


def test_the_schema_accepts_a_config_of_all_keys_and_what_is_read_of_it(validator):
    validator.validate(FULL)
    validator.validate(FULL | {"orders": [["a", "b"]]})
    validator.validate(Experiment.model_validate(_embedded()).model_dump(mode="json"))


def _embedded():
    return yaml.safe_load(CONFIG)


FAULTS = {
    "trainning": {},
    "device": "gpu",
    "seeds": [-1],
    "orders": {"datasets": ["drizzle"], "choose": "some"},
    "name": 3,
    "training.steps": 0,
    "training.batch": -8,
    "training.batches": 8,
    "training.learning_rate": 0,
    "training.warmup": True,
    "training.optimizer": "lion",
    "networks.small.stages": 10_001,
    "networks.small.backbone": "mprnet",
    "datasets.drizzle.layout": "rendred",
    "datasets.drizzle.rain.density": -0.1,
    "datasets.drizzle.rain.length": [7, 9, 11],
    "datasets.drizzle.rain.brightness": [-0.1, 0.5],
    "datasets.drizzle.root": 3,
    "methods.nr.penalty.strength": -1,
    "methods.nr.distillation.rain": [0, 5],
    "methods.finetune.penalty": {},
    "joint.steps_per_dataset": 10**13,
    "evaluation.rounding": [],
    "evaluation.theory_patches": -1,
}


@pytest.mark.parametrize("path", FAULTS)
def test_the_schema_refuses(path, validator):
    config = copy.deepcopy(_embedded())
    *parents, last = path.split(".")
    section = config
    for key in parents:
        section = section[key]
    section[last] = FAULTS[path]
    assert not validator.is_valid(config)


def test_the_config_names_its_schema_in_its_first_line():
    (place,) = re.findall(r"\A# yaml-language-server: \$schema=(\S+)\n", CONFIG)
    assert (REPOSITORY / place).is_file()


# --- defaults that comments of config.yaml name


def _plain(value):
    return json.loads(json.dumps(value))


def _defaults(model):
    """The defaults of a section's keys, of those that have one."""
    found = {}
    for key, field in model.model_fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        if default is not None and not isinstance(default, BaseModel):
            found[key] = _plain(default)
    return found


def _comments(block):
    """(key, value) of the commented keys in lines: what precedes a gap, or a comment in the comment."""
    for line in block:
        if match := re.match(r"\s*#\s+(\w+): +(.+?)(?:\s{2,}.*|\s+# .*)?$", line):
            value = yaml.safe_load(match[2])
            yield match[1], None if value == "none" else value


BLOCKS = [list(lines) for is_comment, lines in groupby(CONFIG.splitlines(), lambda line: line.lstrip().startswith("#"))
          if is_comment]  # fmt: skip
MODELS = (Rendered, Folders, PReNet, Memory)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_commented_keys_have_their_defaults(model):
    """Of the block of comments that has most keys of the section."""

    def known(block):
        return {key: value for key, value in _comments(block) if key in model.model_fields}

    own = model.__annotations__.keys()  # without those that other layouts have, too
    commented = max(map(known, BLOCKS), key=lambda keys: (len(keys.keys() & own), len(keys)))
    defaults = _defaults(model)
    assert len(commented.keys() & defaults.keys()) >= 2
    different = {
        key: (value, defaults[key]) for key, value in commented.items() if key in defaults and value != defaults[key]
    }
    assert not different


def test_the_defaults_of_networks_and_of_the_search_are_those_of_the_comments():
    text = " ".join(line.lstrip(" #") for block in BLOCKS for line in block)
    for key, default in _defaults(PReNet).items():
        for named in re.findall(rf"\b{key} (\d+|true|false)\b", text):
            assert yaml.safe_load(named) == default, key
    for model in (NAFNet, Restormer):
        (backbone,) = get_args(model.model_fields["backbone"].annotation)
        (options,) = re.findall(rf"(\{{backbone: {backbone}, .*?\}})", text)
        of_all = Network.model_fields.keys()
        assert yaml.safe_load(options) == {"backbone": backbone} | {
            key: default for key, default in _defaults(model).items() if key not in of_all
        }
    (search,) = re.findall(r"search: (\{.*?\})", text)
    assert yaml.safe_load(search) == _defaults(Search)


def _leaves(node, annotation):
    """(key, its line, its value, default) of the keys below a section that hold no section and have a default."""
    for below, model in sections_in(annotation):
        sections_here = [pair[1] for pair in node.value] if below else [node]
        for section in sections_here:
            if model.model_fields.keys() >= {key.value for key, _ in section.value}:
                defaults = _defaults(model)
                for key, value in section.value:
                    if key.value in defaults:
                        yield key.value, key.start_mark.line, yaml.safe_load(yaml.serialize(value)), defaults[key.value]
                    yield from _leaves(value, model.model_fields[key.value].annotation)


def test_a_value_that_is_no_default_has_the_default_beside_it():
    """In a comment at its line or the next, or as "key default" in some comment."""
    lines = [*CONFIG.splitlines(), ""]
    seen, told = [], []
    for key, line, value, default in _leaves(yaml.compose(CONFIG), Experiment):
        seen.append(key)
        empty = default in ([], {})
        if value != default and not empty:
            shown = "none" if default is None else re.escape(json.dumps(default))
            beside = f"{lines[line].partition('#')[2]} {lines[line + 1].strip()}"
            assert re.search(rf"default {shown}(?!\w)", beside) or re.search(rf"# .*\b{key} {shown}\b", CONFIG), key
            told.append(key)
    assert len(seen) > 40
    assert {"steps", "theory_patches", "stages"} <= set(told)


# --- columns


def test_every_described_column_stands_in_a_table():
    used = {name for table in DESCRIBED for name in table.columns if name not in table.own}
    assert used == set(COLUMNS)
    for table in DESCRIBED:
        assert len(set(table.columns)) == len(table.columns), table.file
        assert {*table.own, *table.optional} <= set(table.columns), table.file


@pytest.mark.parametrize("different", [False, True])
def test_the_columns_of_what_is_averaged_over_orders_are_described(different):
    orders = ["a>b", "a>b>c" if different else "b>a"]
    rows = [dict.fromkeys(QUANTITIES, 1.0) | {"network": "n", "seed": 0, "method": "m", "order": order,
            "metric": "psnr_y_db", "old_data_bytes": 0} for order in orders]  # fmt: skip
    continual = pd.DataFrame(rows)
    summary = summary_table(continual)
    nothing = pd.DataFrame(columns=["network", "seed", "method", "datasets", "dataset", "image", *METRICS])
    tables = {"continual": continual, "summary": summary, "matrix": matrix_table(nothing, nothing, [], [])}
    columns = {"summary": ["rounding", *summary], "verdict": list(verdict(tables))}
    for name, found in columns.items():
        (table,) = (table for table in DESCRIBED if table.file == f"tables/{name}.csv")
        lacking = {"above_chord"} if different else table.optional
        assert found == [name for name in table.columns if name not in lacking]


def test_an_ingredient_with_a_term_of_the_loss_has_its_column_in_training_tables():
    with_term = {each.name for each in INGREDIENTS if hasattr(import_module(each.module), "term")}
    assert with_term == set(TERMS)
