import json
import shutil
import subprocess
import sys
from functools import cache

import pytest
import torch
from commandline import arguments, finish
from derain.networks import build
from derain.plan import codedigest
from places import REPOSITORY
from trees import write_pairs

pytestmark = pytest.mark.xdist_group("codedigest")  # one worker makes what its tests share


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """A copy of scripts/ that may be edited; what is remembered of it ends with the test."""
    shutil.copytree(REPOSITORY / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(codedigest, "SCRIPTS", tmp_path / "scripts")
    yield tmp_path / "scripts"
    _forget()


def _digest(*modules):
    """As a new process would see it: what was read of a file is remembered within one."""
    return _digests([modules])[0]


def _forget():
    for read in (codedigest._paths, codedigest._read, codedigest.code_digest):
        read.cache_clear()


def _digests(jobs):
    _forget()
    return [codedigest.code_digest(*modules) for modules in jobs]


FIRST = ("first", "derain.networks.prenet")
SOURCE = '''"""A module."""

import math


class Shape:
    """A shape."""

    sides: int = 4

    def area(self, a, b=2.0):
        """Its area."""
        # what everybody knows
        return math.sqrt((a * b) ** 2 + self.sides), {"unit": 'cm'}, f"{a:.2f} by {b}", "one" "two"


def flat():
    """Nothing."""
'''
LAYOUT = [
    ("# what everybody knows\n", "# what nobody knows\n        # at all\n"),
    ("        # what everybody knows\n", ""),
    ('"""Its area."""', "'''The area\n\n        of it.'''"),
    ('        """Its area."""\n', ""),
    ('"""A module."""', ""),
    ("\n\n\nclass", "\n\n\n\n\nclass"),
    ("    ", "  "),
    ("area(self, a, b=2.0):", "area(\n        self,\n        a,\n        b=2.0,\n    ):"),
    ("(a * b) ** 2 + self.sides", "((a * b) ** 2\n            + self.sides)"),
    ("'cm'", '"cm"'),
    ("\"one\" \"two\"", '"onetwo"'),
    ("import math\n", "import math;\n"),
    ("\n", "\r\n"),
]  # fmt: skip
MEANING = [
    ("a * b", "b * a"),
    ("2.0", "2"),
    ("** 2", "** 3"),
    ("self.sides", "-self.sides"),
    ("(a * b) ** 2", "a * b ** 2"),
    (":.2f", ":.3f"),
    ("b=2.0", "*, b=2.0"),
    ("sides: int = 4", "sides: int = 5"),
    ("'cm'", "'mm'"),
    ("return math.sqrt", "math.sqrt"),
    ("class Shape", "class Form"),
    ('"one" "two"', '"one", "two"'),
    ('def flat():\n    """Nothing."""', "def flat():\n    return 1"),
]


def _of(source, tmp_path):
    path = tmp_path / "module.py"
    path.write_bytes(source.encode())
    codedigest._read.cache_clear()
    return codedigest._file_digest(path)


@pytest.mark.parametrize(("old", "new"), LAYOUT)
def test_comments_docstrings_and_formatting_leave_the_digest(old, new, tmp_path):
    assert old in SOURCE
    assert _of(SOURCE.replace(old, new), tmp_path) == _of(SOURCE, tmp_path)


@pytest.mark.parametrize(("old", "new"), MEANING)
def test_what_the_interpreter_does_differently_changes_the_digest(old, new, tmp_path):
    assert old in SOURCE
    assert _of(SOURCE.replace(old, new), tmp_path) != _of(SOURCE, tmp_path)


def test_a_formatter_with_another_line_length_changes_no_digest_of_the_library(scripts):
    entries = [(path.stem,) for path in scripts.glob("*.py")]
    before = _digests(entries)
    sources = [path.read_text(encoding="utf-8") for path in scripts.rglob("*.py")]
    subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--quiet", "--line-length", "50", scripts], check=True
    )
    assert [path.read_text(encoding="utf-8") for path in scripts.rglob("*.py")] != sources
    assert len(set(map(repr, before))) == len(entries) > 5
    assert _digests(entries) == before


def _edit(path, old, new):
    source = path.read_text(encoding="utf-8")
    assert old in source
    path.write_text(source.replace(old, new), encoding="utf-8")


def test_a_new_backbone_changes_no_digest(scripts):
    entries = [(path.stem, "derain.networks.prenet") for path in scripts.glob("*.py")]
    before = _digests(entries)
    (scripts / "derain/networks/mprnet.py").write_text("class Network:\n    pass\n", encoding="utf-8")
    assert _digests(entries) == before
    assert _digest("first", "derain.networks.mprnet") != _digest(*FIRST)


@pytest.mark.parametrize("backbone", ["nafnet", "restormer"])
def test_a_job_of_one_backbone_has_the_digests_of_no_other(backbone):
    shared = {"derain.networks", "derain.networks.formats", "derain.networks.weights"}
    for used, modules in {"prenet": {"prenet"}, backbone: {backbone, "layers"}}.items():
        digest = codedigest.code_digest("first", f"derain.networks.{used}")
        found = {name for name in digest if name.startswith("derain.networks")}
        assert found == shared | {f"derain.networks.{module}" for module in modules}


@pytest.fixture(scope="module")
def after_an_edit(tmp_path_factory):
    """The results of calls of `code_digest` in a copy of scripts/ in which at most one module is edited: a function of
    the arguments of the calls, the module's path, and its new source with {} for the old one. Only the edited file is
    read anew.
    """
    scripts = tmp_path_factory.mktemp("edited") / "scripts"
    shutil.copytree(REPOSITORY / "scripts", scripts, ignore=shutil.ignore_patterns("__pycache__"))
    read, paths = cache(codedigest._read.__wrapped__), cache(codedigest._paths.__wrapped__)

    def digests(calls, module="__init__.py", edit=None):
        edited = scripts / module
        source = edited.read_text(encoding="utf-8") if edit else None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(codedigest, "SCRIPTS", scripts)
            patch.setattr(codedigest, "_paths", paths)
            patch.setattr(codedigest, "_read", lambda path: (read.__wrapped__ if path == edited else read)(path))
            if edit:
                edited.write_text(edit.replace("{}", source), encoding="utf-8")
            try:
                return {modules: codedigest.code_digest.__wrapped__(*modules) for modules in calls}
            finally:
                if edit:
                    edited.write_text(source, encoding="utf-8")

    return digests


@pytest.mark.parametrize("module", sorted(codedigest.NEUTRAL))
def test_what_only_a_neutral_module_imports_does_not_count_either(module, after_an_edit):
    entries = [(path.stem,) for path in (REPOSITORY / "scripts").glob("*.py")]
    place = module.replace(".", "/")
    path = f"{place}/__init__.py" if (REPOSITORY / "scripts" / place).is_dir() else f"{place}.py"
    assert after_an_edit(entries, path, "import derain.report.latex\n{}") == after_an_edit(entries)


def test_a_module_that_is_renamed_with_its_imports_is_found_again(scripts):
    before = _digest(*FIRST)
    (scripts / "derain/method/losses.py").rename(scripts / "derain/method/criteria.py")
    for path in scripts.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        path.write_text(source.replace("derain.method.losses", "derain.method.criteria"), encoding="utf-8")
    renamed = _digest(*FIRST)
    assert renamed != before
    _edit(scripts / "derain/method/criteria.py", "0.03**2", "0.04**2")
    assert _digest(*FIRST) != renamed


# --- what each module decides

RAIN = {"angle": [0, 10], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.3]}
PENALTY = {"importance": "gradient", "strength": 1}
# Every kind of job: a rendered dataset and others, methods of each ingredient, search, joint, a given network, theory.
EXPERIMENT = {
    "device": "cpu",
    "orders": [["a", "b", "c"]],
    "datasets": {
        "a": {"layout": "rendered", "rain": RAIN, "train": ["rocket.jpg"], "test": ["chelsea.png"], "renders": 1},
        **{name: {"layout": "rain-norain", "root": f"data/{name}"} for name in "bc"},
        "d": {"layout": "rendered", "rain": {"layers_of": "b"}, "test": ["chelsea.png"]},
    },
    "networks": {
        "net": {"backbone": "prenet"},
        "published": {"backbone": "prenet", "initial_weights": "given.pth", "evaluate_only": True},
    },
    "training": {"patch": 16},
    "importances": {"gradient": {"patches": 2}},
    "intensities": {"rain": {"patches": 4}},
    "memories": {"pairs": {"patches": 4}},
    "methods": {
        "finetune": {},
        "held": {"penalty": PENALTY},
        "distilled": {"distillation": {"strength": 1, "intensity": "rain"}},
        "replay": {"memory": {"name": "pairs"}},
        "searched": {"penalty": PENALTY, "search": {"scales": [1]}},
        "blended": {"blend": {}},
    },
    "joint": {"steps_per_dataset": 5},
    "evaluation": {"theory_patches": 2, "datasets": ["d"], "chord": [0.5], "chord_importance": "gradient"},
    "photographs": {"files": ["data/b/test/rain"]},
}


def _write_experiment(folder):
    for number, name in enumerate("bc"):
        write_pairs(folder / "data" / name / "train", range(100 * number, 100 * number + 3))
        write_pairs(folder / "data" / name / "test", range(100 * number + 50, 100 * number + 52))
    torch.save(build("prenet").state_dict(), folder / "given.pth")


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """The calls of `code_digest` whose results are in the parameters of each kind of job, as Snakemake plans it."""
    folder = tmp_path_factory.mktemp("planned")
    _write_experiment(folder)
    command = [sys.executable, REPOSITORY / "tests/digests.py", *arguments(folder, EXPERIMENT)]
    plan = finish(list(map(str, command)), folder)
    assert plan.returncode == 0, plan.stderr
    return json.loads(plan.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def affected(jobs, after_an_edit):
    """Which jobs have other parameters after a constant is added to a module: a function of the module's path."""
    calls = {tuple(modules) for of_job in jobs.values() for modules in of_job}
    before = after_an_edit(calls)

    def of(module):
        after = after_an_edit(calls, module, "{}\nSOMETHING_ELSE = 1\n")
        changed = {modules for modules in calls if after[modules] != before[modules]}
        return {name for name, of_job in jobs.items() if changed & set(map(tuple, of_job))}

    return of


NEXT = {"next finetune", "next held", "next distilled", "next replay", "candidate searched", "candidate blended"}
TRAININGS = {"first", "joint"} | NEXT
HELD = {"next held", "candidate searched"}
OMEGA = {"importance_shard", "importance"}
MEMORY = {"state memory"}
INTENSITY = {"state intensity"}
CARRIED = MEMORY | INTENSITY
GRADIENTS = TRAININGS | OMEGA | {"theory"}
RESTORE = {"restore"}
CHORD = {"chord", "chord_weighted"}
SCORED = {"evaluate"} | CHORD
BLEND = {"blend"}
NETWORKS = GRADIENTS | {"given"} | SCORED | BLEND | RESTORE
PATCHES = GRADIENTS | CARRIED | SCORED | BLEND | RESTORE
PAIRS = PATCHES | {"pack", "check_dataset", "score_rainy", "choose", "report"}
TENSORS = NETWORKS | CARRIED | {"choose", "accumulate", "gather moves"}
LAYERS = {"gather moves", "gather omega-layers", "gather omega-distribution", "gather omega-overlap"}
COLUMNS = {"gather training", "gather strengths", "gather theory", "gather theory-correlations"}
COLUMNS |= {"gather chord", "gather blends"}  # of stages' tables
SUMMARIES = {"summarise", "paper_tables", "report"}
PICTURES = {"figures", "report"}
SCORES = {"check_dataset", "score_rainy"} | SCORED | COLUMNS | SUMMARIES | PICTURES
WHOLE = SUMMARIES | {"figures"}  # what compares tables of scores with the test images
# All that sees the rendered dataset, which is the first of the path.
RENDERED = {"pack", "first", "joint", "importance_shard", "importance", "theory", "evaluate"}
RENDERED |= {"check_dataset", "score_rainy", "report"} | CARRIED | CHORD
LAYERED = {"pack", "check_dataset", "score_rainy", "evaluate", "report"}  # what sees the dataset of rain layers
# What plans stands in the values of parameters, what looks at files on disk in the manifests that it writes, and what
# is taken from the stage store is what was put there. All networks of the experiment are PReNets.
PLANNED, FOUND, COPIED, SHOWN, NEUTRAL, OTHER_BACKBONES, OWN_CLASSES = (set() for _ in range(7))

DECIDES = {
    "accumulate.py": {"accumulate"},
    "adopt.py": {"adopt"},
    "check.py": {"check_dataset"},
    "blend.py": BLEND,
    "choose.py": {"choose"},
    "chord.py": CHORD,
    "cost.py": {"cost"},
    "derain/config/__init__.py": GRADIENTS,
    "derain/curriculum.py": LAYERS | COLUMNS | SUMMARIES | {"choose", "figures"} | BLEND,
    "derain/data/blocks.py": {"pack"},
    "derain/data/cached.py": RESTORE,
    "derain/data/findings.py": {"check_dataset", "report"},
    "derain/data/known.py": SHOWN,
    "derain/data/images.py": PAIRS | WHOLE,
    "derain/data/layers.py": LAYERED,
    "derain/data/packing.py": {"pack"},
    "derain/data/parallel.py": {"check_dataset", "pack", "score_rainy"} | SCORED | RESTORE,
    "derain/data/patches.py": PATCHES,
    "derain/data/rain.py": RENDERED,
    "derain/data/rendered.py": RENDERED,
    "derain/data/rendering.py": {"pack"},
    "derain/data/roots.py": {"pack"},
    "derain/data/samples.py": PAIRS | WHOLE,
    "derain/data/store.py": PAIRS | WHOLE,
    "derain/evaluation/__init__.py": SCORES | TRAININGS | LAYERS | {"choose", "theory"} | BLEND | RESTORE,
    "derain/evaluation/cached.py": {"evaluate"},
    "derain/evaluation/chord.py": {"gather chord", "paper_tables"} | PICTURES,
    "derain/evaluation/complete.py": WHOLE,
    "derain/evaluation/contact_sheet.py": {"check_dataset"},
    "derain/evaluation/continual.py": SUMMARIES | {"figures"},
    "derain/evaluation/correlations.py": {"gather theory-correlations"},
    "derain/evaluation/gathered.py": COLUMNS - {"gather chord"} | SUMMARIES | {"figures"},
    "derain/evaluation/layers.py": LAYERS | {"choose"} | BLEND,
    "derain/evaluation/metrics.py": SCORES,
    "derain/evaluation/previews.py": {"check_dataset", "report", "score_rainy"} | SCORED,
    "derain/evaluation/paired.py": {"paper_tables", "report"},
    "derain/evaluation/psnr.py": SCORES | TRAININGS | {"choose"} | BLEND,
    "derain/evaluation/restoring.py": TRAININGS | SCORED | BLEND | RESTORE,
    "derain/evaluation/rounding.py": TRAININGS | {"score_rainy"} | SCORED | BLEND | RESTORE,
    "derain/evaluation/scores.py": {"score_rainy"} | SCORED,
    "derain/evaluation/source.py": LAYERS | COLUMNS | SUMMARIES | {"choose", "figures"} | BLEND,
    "derain/evaluation/dataset_summary.py": {"check_dataset"},
    "derain/evaluation/reading.py": COLUMNS | SUMMARIES | PICTURES,
    "derain/evaluation/theory.py": {"theory"},
    "derain/evaluation/tiles.py": TRAININGS | SCORED | BLEND | RESTORE,
    "derain/evaluation/validation.py": TRAININGS | BLEND,
    "derain/files/__init__.py": PAIRS | TENSORS | LAYERS | {"adopt", "cost"} | WHOLE,
    "derain/files/cache.py": RESTORE,
    "derain/files/digest.py": GRADIENTS | BLEND | {"accumulate", "evaluate", "given", "report"} | RESTORE,
    "derain/files/origin.py": {"report"},
    "derain/files/leftovers.py": {"report", "summarise"},
    "derain/files/source.py": OWN_CLASSES,
    "derain/files/regular.py": TENSORS | LAYERS | {"report"} | {"cost"},
    "derain/files/rows.py": PAIRS | {"cost"} | WHOLE,
    "derain/files/tensors.py": TENSORS | LAYERS,
    "derain/machine.py": {"report"},
    "derain/method/__init__.py": CARRIED | GRADIENTS | {"accumulate"} | CHORD | BLEND,
    "derain/method/accumulation.py": {"accumulate", "importance"} | CHORD,
    "derain/method/blend.py": CHORD | BLEND,
    "derain/method/distillation.py": {"next distilled"},
    "derain/method/importance.py": OMEGA,
    "derain/method/losses.py": GRADIENTS,
    "derain/method/intensity.py": INTENSITY | {"next distilled"},
    "derain/method/memory.py": MEMORY | {"next replay"},
    "derain/method/penalty.py": HELD,
    "derain/method/step.py": TRAININGS,
    "derain/networks/__init__.py": NETWORKS,
    "derain/networks/formats.py": NETWORKS,
    "derain/networks/layers.py": OTHER_BACKBONES,
    "derain/networks/nafnet.py": OTHER_BACKBONES,
    "derain/networks/own.py": OWN_CLASSES,
    "derain/networks/prenet.py": NETWORKS,
    "derain/networks/restormer.py": OTHER_BACKBONES,
    "derain/networks/weights.py": NETWORKS,
    "derain/plan/__init__.py": CARRIED | NETWORKS | PICTURES | {"accumulate", "choose"},
    "derain/plan/charts.py": PICTURES,
    "derain/report/__init__.py": PICTURES | {"paper_tables"} | RESTORE,
    "derain/report/chartdata.py": PICTURES,
    "derain/report/charts.py": PICTURES,
    "derain/report/content.py": {"report"},
    "derain/report/figures.py": PICTURES,
    "derain/report/latex.py": {"paper_tables"},
    "derain/report/missing.py": {"report"},
    "derain/report/assets.py": {"report"} | RESTORE,
    "derain/report/page.py": {"report"},
    "derain/report/pictures.py": {"report"},
    "derain/report/provenance.py": {"report"},
    "derain/report/tables.py": PICTURES | {"paper_tables"},
    "derain/report/vega.py": PICTURES,
    "derain/report/verdict.py": {"paper_tables", "report"},
    "derain/report/wording.py": {"paper_tables", "report"},
    "derain/run/__init__.py": {"cost"},
    "derain/run/cost.py": {"cost"},
    "derain/training/__init__.py": CARRIED | NETWORKS | {"choose"},
    "derain/training/blend.py": BLEND,
    "derain/training/chord.py": CHORD,
    "derain/training/given.py": {"importance"},
    "derain/training/importance.py": OMEGA,
    "derain/training/ingredients.py": TRAININGS,
    "derain/training/job.py": GRADIENTS,
    "derain/training/loop.py": TRAININGS,
    "derain/training/network.py": NETWORKS,
    "derain/training/prepared.py": TRAININGS,
    "derain/training/processes.py": NETWORKS,
    "derain/training/scoring.py": {"evaluate"},
    "derain/training/search.py": {"choose"} | BLEND,
    "derain/training/stage.py": TRAININGS,
    "derain/training/streams.py": CARRIED | GRADIENTS,
    "derain/training/state.py": CARRIED,
    "derain/training/table.py": TRAININGS,
    "derain/training/theory.py": {"theory"},
    "evaluate.py": {"evaluate"},
    "figures.py": {"figures"},
    "first.py": {"first", "joint"},
    "gather.py": LAYERS | COLUMNS,
    "given.py": {"given"},
    "importance.py": {"importance"},
    "importance_shard.py": OMEGA,
    "next.py": NEXT,
    "pack.py": {"pack"},
    "paper_tables.py": {"paper_tables"},
    "report.py": {"report"},
    "restore.py": RESTORE,
    "score_rainy.py": {"score_rainy"},
    "show_checks.py": SHOWN,
    "state.py": CARRIED,
    "summarise.py": {"summarise"},
    "theory.py": {"theory"},
    "derain/config/datasets.py": PLANNED,
    "derain/config/messages.py": PLANNED,
    "derain/config/names.py": PLANNED,
    "derain/config/networks.py": PLANNED,
    "derain/config/orders.py": PLANNED,
    "derain/config/own_options.py": PLANNED,
    "derain/config/reading.py": PLANNED,
    "derain/config/evaluation.py": PLANNED,
    "derain/config/experiment.py": PLANNED,
    "derain/plan/artifacts.py": PLANNED,
    "derain/plan/networks.py": PLANNED,
    "derain/plan/codedigest.py": PLANNED,
    "derain/plan/datasets.py": PLANNED,
    "derain/plan/fit.py": PLANNED,
    "derain/plan/given.py": PLANNED,
    "derain/plan/earlier.py": PLANNED,
    "derain/plan/current.py": SHOWN,
    "derain/plan/measured.py": PLANNED,
    "derain/plan/page.py": PLANNED,
    "derain/plan/tables.py": PLANNED,
    "derain/plan/plan.py": PLANNED,
    "derain/plan/planned.py": PLANNED,
    "derain/plan/sources.py": PLANNED,
    "derain/plan/stagestore.py": PLANNED,
    "derain/plan/trial.py": PLANNED,
    "derain/plan/urgency.py": PLANNED,
    "derain/data/backgrounds.py": FOUND,
    "derain/data/partners.py": FOUND,
    "derain/data/checks.py": FOUND,
    "derain/data/discovery.py": FOUND,
    "derain/data/draws.py": FOUND,
    "derain/data/folders.py": FOUND,
    "derain/data/inspected.py": FOUND,
    "derain/files/stamp.py": RESTORE,
    "derain/data/inspection.py": FOUND,
    "derain/data/layouts.py": FOUND,
    "derain/data/leaks.py": FOUND,
    "derain/data/lists.py": FOUND,
    "derain/data/matching.py": FOUND,
    "derain/data/photographs.py": FOUND,
    "derain/data/sources.py": FOUND,
    "derain/data/splits.py": FOUND,
    "put.py": COPIED,
    "take.py": COPIED,
    "derain/run/causes.py": SHOWN,
    "derain/engine/__init__.py": SHOWN,
    "derain/engine/command.py": SHOWN,
    "derain/engine/corrections.py": SHOWN,
    "derain/engine/dag.py": SHOWN,
    "derain/engine/inputs.py": SHOWN,
    "derain/engine/logs.py": SHOWN,
    "derain/engine/outputs.py": SHOWN,
    "derain/engine/recorded.py": SHOWN,
    "derain/engine/records.py": SHOWN,
    "derain/engine/slurm.py": SHOWN,
    "derain/run/left_jobs.py": SHOWN,
    "derain/run/lock.py": SHOWN,
    "derain/run/pace.py": SHOWN,
    "derain/run/places.py": SHOWN,
    "derain/run/replaced.py": SHOWN,
    "derain/run/status.py": SHOWN,
    "derain/reference/__init__.py": SHOWN,
    "derain/reference/__main__.py": SHOWN,
    "derain/reference/columns.py": SHOWN,
    "derain/reference/decides.py": SHOWN,
    "derain/reference/keys.py": SHOWN,
    "derain/reference/schema.py": SHOWN,
    "derain/__main__.py": SHOWN,
    "derain/commands/__init__.py": SHOWN,
    "derain/commands/config.py": SHOWN,
    "derain/commands/export.py": SHOWN,
    "derain/commands/network.py": SHOWN,
    "derain/commands/experiment.py": SHOWN,
    "derain/commands/page.py": SHOWN,
    "derain/commands/partial.py": SHOWN,
    "derain/commands/progress.py": SHOWN,
    "derain/commands/restore.py": SHOWN,
    "derain/commands/why.py": SHOWN,
    "derain/evaluation/results.py": SHOWN,
    "derain/report/comparison.py": RESTORE,
    "derain/restoration/__init__.py": RESTORE,
    "derain/restoration/card.py": SHOWN,
    "derain/restoration/exporting.py": SHOWN,
    "derain/restoration/files.py": RESTORE,
    "derain/restoration/folder.py": RESTORE,
    "derain/restoration/images.py": SHOWN,
    "derain/restoration/loading.py": SHOWN,
    "derain/restoration/memory.py": RESTORE,
    "derain/restoration/photographs.py": RESTORE,
    "derain/restoration/pictures.py": RESTORE,
    "derain/restoration/planned.py": RESTORE,
    "derain/restoration/records.py": RESTORE,
    "derain/__init__.py": NEUTRAL,
    "derain/allocator.py": NEUTRAL,
    "derain/config/methods.py": NEUTRAL,
    "derain/config/training.py": NEUTRAL,
    "derain/config/values.py": NEUTRAL,
    "derain/errors.py": NEUTRAL,
    "derain/files/atomic.py": NEUTRAL,
    "derain/files/metadata.py": NEUTRAL,
    "derain/files/scratch.py": NEUTRAL,
    "derain/files/stagestore.py": NEUTRAL,
    "derain/method/ingredients.py": NEUTRAL,
    "derain/plan/recipes.py": NEUTRAL,
    "derain/training/checkpoint.py": NEUTRAL,
    "derain/training/compiled.py": TRAININGS,
    "derain/training/devices.py": NEUTRAL,
    "derain/training/interruption.py": NEUTRAL,
    "derain/training/log.py": NEUTRAL,
    "derain/training/tensorboard.py": NEUTRAL,
}


MODULES = sorted(path.relative_to(REPOSITORY / "scripts").as_posix() for path in (REPOSITORY / "scripts").rglob("*.py"))


def test_every_module_stands_in_the_table_and_every_job_in_it():
    assert sorted(DECIDES) == MODULES, "say in DECIDES what each module decides"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_decides_these_jobs_and_no_other(module, affected):
    assert affected(module) == DECIDES[module], "say in DECIDES what this module decides"
