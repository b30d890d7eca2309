import sys

import pytest
import yaml
from commandline import finish, snakemake
from derain.config.reading import check_files, load, load_file
from faults import faults_of
from places import REPOSITORY


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb: 2\na: 3\n", "c:3: the key 'a' is defined twice in one section, first in line 1"),
        ("a:\n  x: 1\n  'x': 2\n", "c:3: the key 'x' is defined twice in one section, first in line 2"),
        ("a: [{x: 1,\n x: 1}]\n", "c:2: the key 'x' is defined twice in one section, first in line 1"),
        (
            "a: &s {x: 1}\nb: {<<: *s, y: 1,\n y: 2}\n",
            "c:3: the key 'y' is defined twice in one section, first in line 2",
        ),
        ('{"a": 1, "b": {"x": 1, "x": 2}}', "c: the key 'x' is defined twice in one section"),
        ("steps: 010\n", "c:1: 010 is octal in YAML, 8; write it without the leading 0, or in quotes"),
        ("a:\n- -0_17\n", "c:2: -0_17 is octal in YAML, -15; write it without the leading 0, or in quotes"),
        ("a: 2024-01-01\n", "c:1: 2024-01-01 is no text in YAML (timestamp); put it in quotes"),
        ("a: !!set {x, y}\n", "c:1: the tag 'set' is not supported"),
        ("a: !!binary aGk=\n", "c:1: the tag 'binary' is not supported"),
        ("a: !!python/tuple [1, 2]\n", "c:1: the tag 'python/tuple' is not supported"),
        ("{[a]: 1}\n", "c:1: a key must be text, not a list or a section"),
        ("__use_yte__: true\n", "c:1: __use_yte__ is not supported: a config holds values, and a template runs code"),
        ("a: 1\n\tb: 2\n", "c:2: is no YAML: "),
        ("a: [b\n", "c:2: is no YAML: "),
        ("a: *b\n", "c:1: is no YAML: "),
        ("a: 1\n---\nb: 2\n", "c:2: is no YAML: "),
        ("a: " + "9" * 5000, "c:1: is no YAML: Exceeds the limit"),
        ("a: " + "[" * 200 + "]" * 200, "c:1: more than 100 levels of nested sections and lists"),
        ("a: " + "[" * 5000 + "]" * 5000, "c:1: "),
    ],
)
def test_what_would_be_dropped_or_taken_for_something_else_is_told_with_its_line(text, fault):
    (line,) = faults_of(load, text, "c")
    assert line.startswith(fault)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("\ufeffa: 1\r\nb: 0\r\n", {"a": 1, "b": 0}),
        ("a: 1e-3\nb: 1_000\nc: 0x1F\nd: '010'\ne: 0.5\n", {"a": "1e-3", "b": 1000, "c": 31, "d": "010", "e": 0.5}),
        ("a: &s {x: 1, y: 2}\nb: {<<: *s, y: 3}\n", {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}),
        ("a: {x: 1}\nb: {x: 1}\n", {"a": {"x": 1}, "b": {"x": 1}}),
        ('{"a": [1.5, null]}', {"a": [1.5, None]}),
        ("", None),
    ],
)
def test_what_means_one_thing_is_read_as_ever(text, values):
    assert load(text, "c") == values


def test_aliases_that_grow_without_end_are_looked_at_once():
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
    assert load(text, "c")["a0"] == ["x"]
    assert load("a: &a [*a]\n", "c")["a"]


def test_the_embedded_config_is_read_like_any_yaml():
    file = REPOSITORY / "config.yaml"
    assert load_file(file) == yaml.safe_load(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", ["missing", "folder", "latin"])
def test_a_config_that_cannot_be_read_is_one_line(kind, tmp_path):
    file = tmp_path / kind
    if kind == "folder":
        file.mkdir()
    elif kind == "latin":
        file.write_bytes("a: é".encode("latin-1"))
    (line,) = faults_of(load_file, file)
    reason = {"missing": "No such file or directory", "folder": "Is a directory", "latin": "it is not UTF-8"}[kind]
    assert line == f"{file}: the config cannot be read: {reason}"


def test_all_files_and_overrides_are_looked_at(tmp_path):
    (tmp_path / "one").write_text("a: 1\na: 2\n", encoding="utf-8")
    (tmp_path / "two").write_text("a: 1\nb: 010\n", encoding="utf-8")
    lines = faults_of(check_files, [tmp_path / "one", tmp_path / "two"], ["x={y: 1, y: 2}", "x=3", "z=017"])
    assert [line.split(": ")[0] for line in lines] == [
        f"{tmp_path}/one:2", f"{tmp_path}/two:2", "--config x:1", "--config x", "--config z:1"
    ]  # fmt: skip
    check_files([REPOSITORY / "config.yaml"], ["training={steps: 3}", "seeds=[0, 1]", "device=cpu", "a="])


def test_the_workflow_and_the_page_of_what_there_is_read_configs_so(tmp_path):
    ran = snakemake(tmp_path / "run", {}, "-n", "--config", "training={steps: 3, steps: 4}")
    assert "Traceback" not in ran.stderr
    assert "error: --config training:1: the key 'steps' is defined twice" in ran.stderr
    (tmp_path / "twice.yaml").write_text("seeds: [0]\nseeds: [1]\n", encoding="utf-8")
    command = [sys.executable, "-m", "derain", "page", "--configfile", tmp_path / "twice.yaml"]
    ran = finish(command, tmp_path, library=REPOSITORY)
    assert ran.returncode == 1
    assert (
        ran.stderr
        == f"error: {tmp_path}/twice.yaml:2: the key 'seeds' is defined twice in one section, first in line 1\n"
    )
