"""The commands of the workflow: their options, what they read by default, and how they refuse."""

import contextlib
import copy
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
import yaml
from commandline import arguments, environment, finish
from derain.__main__ import COMMANDS, main
from derain.commands.partial import _another_config_was_run
from derain.config.experiment import read_experiment
from derain.config.reading import load, load_file
from derain.plan.planned import save_planned
from places import REPOSITORY

OF_EXPERIMENTS = ["why", "progress", "page", "config"]
NAMES = [*OF_EXPERIMENTS, "restore", "export"]
RAIN = {"angle": [0, 10], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.3]}
PHOTOGRAPHS = {"train": ["rocket.jpg"], "validation": ["coffee.png"], "test": ["chelsea.png"]}
RENDERED = {"layout": "rendered", "rain": RAIN, "renders": 1, **PHOTOGRAPHS}
CONFIG = {
    "device": "cpu",
    "orders": [["a", "b"]],
    "datasets": {"a": RENDERED, "b": RENDERED | {"seed": 1}},
    "networks": {"net": {"backbone": "prenet"}},
    "training": {"patch": 16},
    "methods": {"finetune": {}},
    "joint": {"steps_per_dataset": 5},
}
THETA = "results/stages/net/seed0/first/a/theta.safetensors"


UTF8 = {"PYTHONUTF8": "1"}  # whatever the locale of the tests
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def run(folder, *given, library=REPOSITORY, variables=UTF8):
    """A finished command in a folder, without the options that `commandline.derain` gives."""
    return finish([sys.executable, "-m", "derain", *given], folder, library=library, **variables)


def inside(folder, *given):
    """The same in this process, which has imported what commands wait for; of this clone's library."""
    sigpipe, arguments = signal.getsignal(signal.SIGPIPE), list(map(str, given))
    with io.TextIOWrapper(io.BytesIO(), "utf-8") as stdout, io.StringIO() as stderr:
        with contextlib.chdir(folder), contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            try:
                status = main(arguments) or 0
            except SystemExit as ended:
                status = 1 if isinstance(ended.code, str) else ended.code
                stderr.write(f"{ended.code}\n" if isinstance(ended.code, str) else "")  # as the interpreter does
            finally:
                signal.signal(signal.SIGPIPE, sigpipe)
        stdout.flush()
        return subprocess.CompletedProcess(arguments, status, stdout.buffer.getvalue().decode(), stderr.getvalue())


def write(file, config):
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    return file


def clone(folder):
    """The Snakefile of another clone, with its library and its config."""
    (folder / "scripts/derain").mkdir(parents=True)
    (folder / "scripts/derain/__init__.py").touch()
    (folder / "Snakefile").write_bytes((REPOSITORY / "Snakefile").read_bytes())
    write(folder / "config.yaml", CONFIG)
    return folder


def errors(done):
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]


def test_each_command_has_a_help(tmp_path):
    assert [command.__name__.rpartition(".")[2] for command in COMMANDS] == NAMES
    whole = inside(tmp_path, "--help").stdout
    for command, name in zip(COMMANDS, NAMES, strict=True):
        first, _, rest = command.__doc__.partition("\n")
        assert first in " ".join(whole.split())
        shown = inside(tmp_path, name, "--help")
        assert shown.returncode == 0
        assert first in shown.stdout
        assert rest in shown.stdout
        options = ("--snakefile", "--configfile", "--directory")
        assert all((option in shown.stdout) == (name in OF_EXPERIMENTS) for option in options)


def test_letters_that_the_locale_lacks_are_printed_as_codes(tmp_path):
    write(tmp_path / "my.yaml", CONFIG)
    for given in (["--help"], *([name, "--help"] for name in NAMES)):
        assert run(tmp_path, *given, variables=ASCII).returncode == 0
    shown = run(tmp_path, "config", "--configfile", "my.yaml", variables=ASCII)
    assert "orders (1): a \\u2192 b" in shown.stdout


@pytest.mark.parametrize("given", [[], ["when"], ["page", "--watch"], ["config", "all"], ["config", "--conf", "a=b"]])
def test_unknown_commands_and_options_are_usage_errors(given, tmp_path):
    done = inside(tmp_path, *given)
    assert done.returncode == 2
    assert done.stderr.startswith(f"usage: derain [-h] {{{','.join(NAMES)}}}")


def test_a_target_of_snakemake_in_place_of_a_command_is_told(tmp_path):
    done = inside(tmp_path, "check", "--configfile", "my.yaml")
    assert done.returncode == 2
    assert done.stderr.endswith("check is a target of snakemake: snakemake --cores all check\n")


def test_a_folder_where_nothing_ran_is_named_and_nothing_is_left_in_it(tmp_path):
    clone, elsewhere = tmp_path / "clone", tmp_path / "elsewhere"
    elsewhere.mkdir()
    clone.mkdir()
    config = write(clone / "config.yaml", CONFIG)
    snakefile = f'configfile: "{config}"\nrule all:\n    output: "results/x"\n    shell: "touch {{output}}"\n'
    (clone / "Snakefile").write_text(snakefile, encoding="utf-8")
    done = run(elsewhere, "why", "-s", clone / "Snakefile")
    assert done.returncode == 0, done.stderr
    assert f"no run has begun in this folder yet: {elsewhere}\n" in done.stdout
    assert [path.name for path in elsewhere.iterdir()] == ["cache"]  # of this test


def test_nothing_is_left_in_it_where_nobody_reads(tmp_path):
    """As with `| head -1`, after which the first line that is written ends the command."""
    read, write = os.pipe()
    os.close(read)
    own = environment(tmp_path / "own")
    done = subprocess.run([sys.executable, "-m", "derain", "why"], cwd=tmp_path, env=own, stdout=write)
    os.close(write)
    assert done.returncode == -signal.SIGPIPE
    assert {path.name for path in tmp_path.iterdir()} <= {"own"}


def test_help_and_completion_wait_for_no_slow_module():
    slow = {"torch", "pandas", "pydantic", "numpy", "snakemake", "yaml", "argcomplete"}
    code = f"import sys, derain.__main__; print(sorted({slow} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY / "scripts", capture_output=True, text=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("command", ["why", "progress"])
@pytest.mark.parametrize("target", ["check", THETA])
def test_a_target_after_the_config_file_is_told_in_one_line(command, target, tmp_path):
    write(tmp_path / "my.yaml", CONFIG)
    (tmp_path / THETA).parent.mkdir(parents=True)
    (tmp_path / THETA).write_bytes(b"\x9d")
    (line,) = errors(run(tmp_path, command, "--configfile", "my.yaml", target))
    assert line == (
        f"error: --configfile takes all names that follow it as config files, also {target}; a target stands before it"
    )


@pytest.mark.parametrize("command", ["why", "progress", "config"])
def test_a_config_file_that_is_missing_is_told_in_one_line(command, tmp_path):
    (line,) = errors(inside(tmp_path, command, "--configfile", "nothere.yaml"))
    assert line.startswith("error: nothere.yaml: the config cannot be read: ")


TEMPLATE = b"__use_yte__: true\n?if __import__('os').mkdir('made') is None:\n  seeds: [0]\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (TEMPLATE, ":1: __use_yte__ is not supported"),
        pytest.param(b"\xff", ": the config cannot be read", marks=pytest.mark.slow),
    ],
)
def test_the_config_of_a_clone_is_checked_before_the_engine_reads_it(content, told, tmp_path):
    other = clone(tmp_path)
    shutil.rmtree(other / "scripts")
    shutil.copytree(REPOSITORY / "scripts", other / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (other / "config.yaml").write_bytes(content)
    (line,) = errors(finish([sys.executable, "-m", "snakemake", "-n"], other, library=other))
    assert line.startswith(f"error: {other}/config.yaml{told}")
    assert not (other / "made").exists()


@pytest.mark.parametrize("command", OF_EXPERIMENTS)
def test_no_command_runs_the_code_of_a_config(command, tmp_path):
    """A template: Snakemake would make the folder while it reads the file."""
    (tmp_path / "my.yaml").write_bytes(TEMPLATE)
    (line,) = errors(inside(tmp_path, command, "--configfile", "my.yaml"))
    assert line.startswith("error: my.yaml:1: __use_yte__ is not supported")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("command", ["why", "progress"])
@pytest.mark.parametrize(
    "given",
    [
        ["--configfile", "none.yaml"],
        ["--configfile", "."],
        ["--configfile", "latin.yaml"],
        ["--configfiles", "latin.yaml"],
        ["--config", "training.steps=3"],
        ["-C", "seeds"],
        ["--cores", "some"],
        ["--set-threads", "next"],
    ],
)
def test_what_the_engine_cannot_read_is_one_line(command, given, tmp_path):
    (tmp_path / "latin.yaml").write_bytes("name: é".encode("latin-1"))
    assert len(errors(inside(tmp_path, command, *given))) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["progress", "--watc"], "unrecognized arguments: --watc; did you mean '--watch'?"),
        (["why", "--directry", "x"], "unrecognized arguments: --directry; did you mean '--directory'?"),
        (["why", "--untill=next"], "unrecognized arguments: --untill=next; did you mean '--until'?"),
        (["why", "--qwertyuiop"], "unrecognized arguments: --qwertyuiop"),
        (["why", "--cores"], ""),  # the engine's own words
    ],
)
def test_a_wrong_option_is_one_line_with_the_nearest_one(given, told, tmp_path):
    done = inside(tmp_path, *given)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert told in line


# --- config


def test_a_good_config_is_summarised(tmp_path):
    done = run(tmp_path, "config", "--configfile", write(tmp_path / "my.yaml", CONFIG))
    assert (done.returncode, done.stderr) == (0, "")
    lines = ["ok", "datasets (2): a, b", "orders (1): a → b", "methods (2): finetune, joint", "stages: 4"]
    assert done.stdout.splitlines() == [*lines, "trainings: 4"]
    assert [path.name for path in tmp_path.iterdir()] == ["my.yaml"]  # nothing was run


def test_candidates_of_a_search_count_as_trainings(tmp_path):
    """Each stage after the first: one at strength 0, and one for each of the two scales."""
    config = copy.deepcopy(CONFIG)
    config["importances"] = {"gradient": {"patches": 1}}
    config["methods"] = {
        "nr": {"penalty": {"importance": "gradient", "strength": 1}, "search": {"scales": [1, 3]}},
    }
    done = inside(tmp_path, "config", "--configfile", write(tmp_path / "my.yaml", config))
    assert done.stdout.splitlines()[-2:] == ["stages: 4", "trainings: 6"]  # a, b, joint; b after a, three times


def test_photographs_that_are_not_there_are_a_fault(tmp_path):
    config = write(tmp_path / "my.yaml", CONFIG | {"photographs": {"files": ["rain/*.jpg"]}})
    (line,) = errors(inside(tmp_path, "config", "--configfile", config))
    assert line == "error: config: photographs.files[0]: rain/*.jpg: no file has such a name"
    (tmp_path / "rain").mkdir()
    (tmp_path / "rain/a.jpg").touch()
    assert inside(tmp_path, "config", "--configfile", config).stdout.startswith("ok\n")


def test_many_names_are_shortened(tmp_path):
    names = [f"d{n:02}" for n in range(12)]
    config = CONFIG | {"orders": [names], "datasets": {name: RENDERED | {"seed": n} for n, name in enumerate(names)}}
    done = inside(tmp_path, "config", "--configfile", write(tmp_path / "my.yaml", config))
    assert "datasets (12): d00, d01, d02, d03, d04, d05, d06, d07, … and 4 more\n" in done.stdout


def test_a_bad_config_gives_its_error_lines(tmp_path):
    config = copy.deepcopy(CONFIG)
    config["training"] = {"step": 3}
    config["orders"] = [["a", "c"]]
    done = inside(tmp_path, "config", "--configfile", write(tmp_path / "my.yaml", config))
    assert done.stdout == ""
    (line,) = errors(done)
    assert line.startswith("error: config: training.step: ")
    config["training"] = {}
    (line,) = errors(inside(tmp_path, "config", "--configfile", write(tmp_path / "my.yaml", config)))
    assert line.startswith("error: config: orders[0]: no dataset is called 'c'")


@pytest.mark.parametrize("content", ["", "[1]", "a", None])
def test_what_is_no_config_is_one_line(content, tmp_path):
    file = tmp_path / "my.yaml"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    assert len(errors(inside(tmp_path, "config", "--configfile", file))) == 1
    assert len(errors(inside(tmp_path, "config", "--configfile", file, file))) in (1, 2)


@pytest.mark.parametrize("config", ["config.yaml", CONFIG])
def test_the_whole_config_with_its_defaults_is_the_same_experiment(config, tmp_path):
    file = REPOSITORY / config if isinstance(config, str) else write(tmp_path / "my.yaml", config)
    done = inside(tmp_path, "config", "--defaults", "--configfile", file)
    assert done.returncode == 0, done.stderr
    printed = load(done.stdout, "printed")
    assert printed["training"].keys() == read_experiment(printed).training.model_fields_set
    assert read_experiment(printed) == read_experiment(load_file(file))


@pytest.mark.slow
def test_config_files_and_overrides_are_merged_as_in_a_run(tmp_path):
    """What a run has planned, with all defaults, is what the command prints."""
    first = write(tmp_path / "first.yaml", CONFIG)
    second = write(tmp_path / "second.yaml", {"training": {"steps": 3}, "seeds": [0, 1], "methods": {"lwf": {}}})
    options = ["--configfile", first, second, "--config", "training={batch: 2}", "device=auto", "name=", "seeds=[4]"]
    folder = tmp_path / "run"
    folder.mkdir()
    command = [sys.executable, "-m", "snakemake", "-s", REPOSITORY / "Snakefile", "--cores", "1", "--directory", folder]
    ran = finish([*command, "results/datasets/a/test/pairs.csv", *options], tmp_path)
    assert ran.returncode == 0, ran.stderr
    planned = json.loads((folder / ".snakemake/planned.json").read_text(encoding="utf-8"))["config"]
    done = run(tmp_path, "config", "--defaults", *options)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout) == planned
    assert (planned["training"]["steps"], planned["training"]["batch"], planned["seeds"]) == (3, 2, [4])


def test_wrong_overrides_are_one_line(tmp_path):
    file = write(tmp_path / "my.yaml", CONFIG)
    for override in ("seeds", "1x=3", "seeds=[0, 0]"):
        assert len(errors(inside(tmp_path, "config", "--configfile", file, "--config", override))) == 1, override


# --- places


def test_the_default_is_the_clones_config_or_that_beside_the_snakefile(tmp_path):
    assert "drizzle" in inside(tmp_path, "config").stdout
    (tmp_path / "Snakefile").touch()
    write(tmp_path / "config.yaml", CONFIG)
    (tmp_path / "inner").mkdir()
    assert "datasets (2): a, b" in inside(tmp_path, "config").stdout
    assert "datasets (2): a, b" in inside(tmp_path / "inner", "config", "-s", "../Snakefile").stdout


@pytest.mark.slow
def test_the_plan_of_a_folder_is_that_of_the_clones_snakefile(tmp_path):
    write(tmp_path / "my.yaml", CONFIG)
    for name, end in (
        ("why", "2 jobs would run"),
        ("progress", "waiting      first             stages/net/seed0/first/a"),
    ):
        done = run(tmp_path, name, THETA, "--cores", "1", "--configfile", "my.yaml")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == end
    (tmp_path / "Snakefile").write_text("rule all:\n    output: 'results/x'\n    shell: 'touch {output}'\n")
    done = run(tmp_path, "why")
    assert done.stdout.splitlines()[-2:] == ["    all (1): x", "1 jobs would run"]
    # -s in the place of both, after the folder of the experiment
    inner = tmp_path / "inner"
    done = run(tmp_path, "why", "-d", inner, "-s", REPOSITORY / "Snakefile", THETA, "--configfile", "my.yaml")
    assert done.stdout.splitlines()[-1] == "2 jobs would run"
    assert not (inner / "results/stages").exists()


@pytest.mark.slow
def test_the_page_stands_in_the_folder_of_the_experiment(tmp_path):
    write(tmp_path / "my.yaml", CONFIG)
    (tmp_path / "run").mkdir()
    done = run(tmp_path, "page", "--configfile", "my.yaml", "--directory", "run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "results/partial.html: 6 missing\n"
    page = (tmp_path / "run/results/partial.html").read_text(encoding="utf-8")
    assert "<li>finetune, a → b (net, seed 0): waits for the stage before it" in page
    (line,) = errors(run(tmp_path, "page", "--configfile", "my.yaml", "--directory", "none"))
    assert line == "error: none: there is no such folder"


@pytest.mark.slow
def test_a_run_that_fails_writes_the_page_with_its_config(tmp_path):
    """Also where modules in its folder have names of the library's, and the config has none of its defaults."""
    for name in ("derain.py", "pandas.py", "argparse.py"):
        (tmp_path / name).write_text("raise SystemExit('not this one')\n", encoding="utf-8")
    config = copy.deepcopy(CONFIG)
    config["training"] = {"patch": 16, "batch": 1, "steps": 9, "learning_rate": 1e30}
    config["networks"]["net"] |= {"stages": 1, "channels": 2, "blocks": 1}
    program = [
        sys.executable,
        "-P",
        "-m",
        "snakemake",
        *arguments(tmp_path, config),
        "--config",
        "name=mine",
        "--",
        THETA,
    ]
    failed = finish(program, tmp_path)
    assert failed.returncode != 0
    assert "results/mine/partial.html: 6 missing" in failed.stderr
    page = (tmp_path / "results/mine/partial.html").read_text(encoding="utf-8")
    assert re.search(r"<li>first, a \(net, seed 0\): failed \(.*not finite at step \d", page)


@pytest.mark.parametrize("command", ["config", "page"])
def test_a_clone_whose_environment_has_another_library_refuses_in_one_line(command, tmp_path):
    other = clone(tmp_path)
    (line,) = errors(inside(other, command))
    assert line.startswith(
        f"error: {REPOSITORY}/scripts/derain: this derain would be imported instead of {other}/scripts/derain; "
    )


def test_a_page_of_scores_of_other_test_images_advises_to_run_where_another_config_was_run(tmp_path, monkeypatch):
    """Where the last run was of this config, the scores were damaged: they are to be deleted."""
    monkeypatch.chdir(tmp_path)
    experiment = read_experiment(copy.deepcopy(CONFIG))
    assert not _another_config_was_run(experiment)  # no run
    (tmp_path / ".snakemake").mkdir()
    save_planned(experiment.model_dump(mode="json"), {})
    assert not _another_config_was_run(experiment)
    other = copy.deepcopy(CONFIG)
    other["datasets"]["a"] = RENDERED | {"test": ["astronaut.png"]}
    assert _another_config_was_run(read_experiment(other))


# --- completion


def completions(folder, line):
    """What bash offers at the end of a line."""
    program = folder / "bin/derain"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m derain "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    words = line.split(" ")
    script = f"""
eval "$(register-python-argcomplete derain)"
COMP_WORDS=({line}) COMP_CWORD={len(words) - 1} COMP_LINE='{line}' COMP_POINT={len(line)} COMP_TYPE=9
function=$(complete -p derain | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
$function derain '{words[-1]}' '{words[-2]}'
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    own = environment(folder, REPOSITORY)
    own["PATH"] = os.pathsep.join([str(program.parent), os.path.dirname(sys.executable), own["PATH"]])
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=own, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return sorted(word.strip() for word in done.stdout.split("\n") if word.strip())


def test_bash_completes_commands_options_and_files(tmp_path):
    write(tmp_path / "mine.yaml", CONFIG)
    assert completions(tmp_path, "derain p") == ["page", "progress"]
    assert completions(tmp_path, "derain config --def") == ["--defaults"]
    assert completions(tmp_path, "derain progress --w") == ["--watch"]
    assert completions(tmp_path, "derain why --configfile mi") == ["mine.yaml"]
