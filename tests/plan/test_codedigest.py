import shutil
import subprocess
import sys

import pytest
from derain.plan import codedigest
from places import REPOSITORY


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """A copy of scripts/ that may be edited; what is remembered of it ends with the test."""
    shutil.copytree(REPOSITORY / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(codedigest, "SCRIPTS", tmp_path / "scripts")
    yield tmp_path / "scripts"
    codedigest.code_digest.cache_clear()


def _digest(*modules):
    """As a new process would see it: what was read of a file is remembered within one."""
    return _digests([modules])[0]


def _digests(jobs):
    for read in (codedigest._imports, codedigest._file_digest, codedigest.code_digest):
        read.cache_clear()
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
    codedigest._file_digest.cache_clear()
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


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("derain/losses.py", "0.03**2", "0.04**2"),
        ("derain/networks/prenet.py", "torch.tanh(c)", "torch.relu(c)"),
        ("derain/data/patches.py", "integers(4)", "integers(2)"),
        ("derain/training.py", "0.2 ** sum", "0.1 ** sum"),
        ("derain/job.py", "DISTILLATION = 1, 2, 3,", "DISTILLATION = 2, 1, 3,"),
        ("first.py", "{}, {}", "{}, dict()"),
    ],
)
def test_a_formula_that_training_uses_changes_its_digest(file, old, new, scripts):
    before = _digest(*FIRST)
    _edit(scripts / file, old, new)
    assert _digest(*FIRST) != before


@pytest.mark.parametrize(
    "file",
    ["penalty", "importance", "distillation", "method", "omega", "metrics", "inference", "continual", "scores",
     "report/page", "report/pictures", "config", "plan", "curriculum", "listing", "codedigest", "progress", "errors",
     "checkpoint", "interruption", "atomic"],
)  # fmt: skip
def test_the_first_stage_does_not_depend_on(file, scripts):
    before = _digest(*FIRST)
    path = scripts / f"derain/{file}.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nSOMETHING_ELSE = 1\n", encoding="utf-8")
    assert _digest(*FIRST) == before


@pytest.mark.parametrize(
    ("entry", "file"),
    [
        ("next", "penalty"), ("next", "distillation"), ("next", "method"), ("importance_shard", "importance"),
        ("importance", "omega"), ("accumulate", "omega"), ("evaluate", "metrics"), ("evaluate", "inference"),
        ("score_rainy", "metrics"), ("summarise", "continual"), ("report", "report/page"), ("pack", "data/rain"),
        ("pack", "data/packing"),
    ],
)  # fmt: skip
def test_a_job_depends_on_the_module_that_holds_its_formula(entry, file, scripts):
    before = _digest(entry)
    path = scripts / f"derain/{file}.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nSOMETHING_ELSE = 1\n", encoding="utf-8")
    assert _digest(entry) != before


def test_a_new_backbone_changes_no_digest(scripts):
    entries = [(path.stem, "derain.networks.prenet") for path in scripts.glob("*.py")]
    before = _digests(entries)
    (scripts / "derain/networks/restormer.py").write_text("class Network:\n    pass\n", encoding="utf-8")
    assert _digests(entries) == before
    assert _digest("first", "derain.networks.restormer") != _digest(*FIRST)


def test_modules_that_decide_no_number_do_not_count_and_neither_does_what_only_they_import(scripts):
    before = _digest("evaluate")
    for name in ("errors", "progress"):
        path = scripts / f"derain/{name}.py"
        path.write_text("import derain.evaluation.continual\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert _digest("evaluate") == before


def test_a_module_that_is_renamed_with_its_imports_is_found_again(scripts):
    before = _digest(*FIRST)
    (scripts / "derain/losses.py").rename(scripts / "derain/criteria.py")
    for path in scripts.rglob("*.py"):
        path.write_text(
            path.read_text(encoding="utf-8").replace("derain.method.losses", "derain.criteria"), encoding="utf-8"
        )
    renamed = _digest(*FIRST)
    assert renamed != before
    _edit(scripts / "derain/criteria.py", "0.03**2", "0.04**2")
    assert _digest(*FIRST) != renamed
