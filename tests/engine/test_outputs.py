"""Outputs that were changed after they were made, or have no record, stop a run before its first job."""

import os
import shutil
from pathlib import Path

import pytest
from places import REPOSITORY
from workflows import run

RECORDED = f"""
import sys
sys.path.insert(0, {str(REPOSITORY / "scripts")!r})
from derain.engine.outputs import check_outputs
if workflow.is_main_process:
    check_outputs()

rule pair:
    output: "a.csv", "pair.safetensors"
    shell: "echo {{output}} | tee {{output}}"

rule table:
    input: "a.csv"
    output: "table.csv"
    shell: "cp {{input}} {{output}}"

rule scores:
    input: "pair.safetensors"
    output: "scores.csv"
    shell: "cp {{input}} {{output}}"
"""
MADE = ("a.csv", "pair.safetensors", "table.csv", "scores.csv")
CHANGED = "was changed after it was made; delete it and run again"
CHANGED_SINCE = (
    "was changed after scores.csv was made from it; to undo the change, delete it and run again; to keep it, touch it "
    "and run again"
)


def _cut(file):
    os.truncate(file, 3)


def _another_with_its_time_and_size(file):
    times = file.stat()
    file.write_text("x" * times.st_size)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def _linked_to_another(file):
    file.unlink()
    file.with_name("other").write_text("other")
    file.symlink_to("other")


def _copied(file):
    shutil.copyfile(file, file.with_name("copy"))
    file.with_name("copy").replace(file)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "Snakefile").write_text(RECORDED)
    made = run(folder, "--", *MADE)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "name", "line"),
    [
        (_cut, "a.csv", CHANGED),
        (_another_with_its_time_and_size, "a.csv", CHANGED),
        (_linked_to_another, "a.csv", CHANGED),
        (_cut, "table.csv", CHANGED),
        (_copied, "a.csv", None),
        (Path.touch, "a.csv", None),
        (Path.unlink, "a.csv", None),
        (_another_with_its_time_and_size, "pair.safetensors", CHANGED_SINCE),
        (_cut, "pair.safetensors", None),  # newer than the scores: their job compares
        (_copied, "pair.safetensors", None),
    ],
)
def test_an_output_that_was_changed_after_it_was_made(change, name, line, recorded, tmp_path):
    folder = shutil.copytree(recorded, tmp_path / "run")
    whole = {file: (folder / file).read_bytes() for file in MADE}
    change(folder / name)
    for dry in (["-n"], []):
        again = run(folder, *dry, "--", *MADE)
        told = again.stderr
        assert again.returncode == bool(line), told
        assert [each for each in told.splitlines() if each.startswith("error: ")] == [f"error: {name}: {line}"] * bool(
            line
        )
        assert "Traceback" not in told
    (folder / name).unlink(missing_ok=True)
    assert run(folder, "--", *MADE).returncode == 0
    assert {file: (folder / file).read_bytes() for file in whole} == whole


@pytest.mark.parametrize(
    ("lost", "files"), [(".snakemake", "a.csv and 3 more"), (".snakemake/metadata/dGFibGUuY3N2", "table.csv")]
)
def test_outputs_without_a_record_are_not_trusted(lost, files, recorded, tmp_path):
    """A copy of the results alone, for instance."""
    folder = shutil.copytree(recorded, tmp_path / "run")
    if (folder / lost).is_dir():
        shutil.rmtree(folder / lost)
    else:
        (folder / lost).unlink()
    for dry in (["-n"], []):
        again = run(folder, *dry, "--", *MADE)
        (line,) = [each for each in again.stderr.splitlines() if each.startswith("error: ")]
        assert again.returncode == 1
        assert line.startswith(f"error: {files}: without a record in .snakemake")
    touched = run(folder, "-F", "--touch", "--", *MADE)
    assert touched.returncode == 0, touched.stderr
    again = run(folder, "-n", "--", *MADE)
    assert again.returncode == 0 and "Nothing to be done" in again.stderr + again.stdout


def test_tensors_that_a_person_has_put_there_are_used_when_they_are_touched(recorded, tmp_path):
    folder = shutil.copytree(recorded, tmp_path / "run")
    _another_with_its_time_and_size(folder / "pair.safetensors")
    assert run(folder, "-n", "--", *MADE).returncode == 1
    (folder / "pair.safetensors").touch()
    for _ in range(2):
        assert run(folder, "--", *MADE).returncode == 0
    assert (folder / "scores.csv").read_text() == (folder / "pair.safetensors").read_text()


def test_an_output_that_has_to_be_made_again_may_be_changed(recorded, tmp_path):
    """By a job that was killed, by `--forcerun`."""
    folder = shutil.copytree(recorded, tmp_path / "run")
    (folder / "a.csv").write_text("half")
    assert run(folder, "--forcerun", "pair", "--", "a.csv", "table.csv").returncode == 0
    assert (folder / "table.csv").read_text() == "a.csv pair.safetensors\n"


@pytest.mark.parametrize("name", ["a.csv", "pair.safetensors"])
@pytest.mark.parametrize(
    "times", ["of the copy", *(pytest.param(t, marks=pytest.mark.slow) for t in ("equal", "kept"))]
)
def test_a_job_is_due_whose_input_was_made_again_whatever_became_of_the_times(name, times, recorded, tmp_path):
    """By a run of a part, then copied to another machine."""
    user = {"a.csv": "table.csv", "pair.safetensors": "scores.csv"}[name]
    folder = shutil.copytree(recorded, tmp_path / "run")
    rules = (folder / "Snakefile").read_text()
    (folder / "Snakefile").write_text(rules.replace("echo {output} |", "echo again {output} |"))
    assert run(folder, "-R", "pair", "--", "a.csv").returncode == 0
    for file in sorted(MADE, key=lambda file: file == user):  # its user becomes the youngest file
        match times:
            case "of the copy":
                _copied(folder / file)
            case "equal":
                os.utime(folder / file, (2**30, 2**30))
    for dry in (["-n"], []):
        again = run(folder, *dry, "--", user)
        assert again.returncode == 0, again.stderr
        assert (again.stdout + again.stderr).count(f"output: {user}") == 1
    assert (folder / user).read_text() == "again a.csv pair.safetensors\n"
    done = run(folder, "-n", "--", user)
    assert "Nothing to be done" in done.stdout + done.stderr
