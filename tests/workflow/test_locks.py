"""One run a folder, as its users see it; tests/run/test_lock.py has the details."""

import os

import pytest
from commandline import planned, snakemake
from derain.run.left_jobs import RUN_ID_VARIABLE
from derain.run.lock import lock
from test_reruns import EXPERIMENT, write_data

TARGET = "results/datasets/a/test/pairs.csv"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where a run was killed: what it would have made is locked, and begun."""
    monkeypatch.setenv(RUN_ID_VARIABLE, "")
    write_data(tmp_path)
    for name, content in {"locks/0.input.lock": "x", "locks/0.output.lock": TARGET}.items():
        path = tmp_path / ".snakemake" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return tmp_path


@pytest.mark.slow
def test_after_a_kill_the_same_command_goes_on(folder):
    run = snakemake(folder, EXPERIMENT, TARGET)
    assert run.returncode == 0, run.stderr
    assert "notice: a run here was killed" in run.stderr
    assert (folder / TARGET).is_file()
    again = snakemake(folder, EXPERIMENT, TARGET)
    assert "killed" not in again.stderr and "Nothing to be done" in again.stderr


@pytest.mark.slow
def test_a_second_run_names_the_first_in_one_line_and_may_still_plan(folder):
    (folder / ".snakemake/locks/0.input.lock").unlink()
    (folder / ".snakemake/locks/0.output.lock").unlink()
    with lock(folder / ".snakemake"):
        second = snakemake(folder, EXPERIMENT, TARGET)
        assert second.returncode != 0
        errors = [line for line in second.stderr.splitlines() if "specific profile" not in line]
        assert len(errors) == 1
        assert errors[0].startswith("error: snakemake runs in this folder already (process ")
        assert planned(snakemake(folder, EXPERIMENT, "-n", TARGET)) == ["pack datasets/a/test/pairs.csv"]
        for looks in ("--summary", "--dag", "--rulegraph", "--list-rules"):
            looked = snakemake(folder, EXPERIMENT, TARGET, looks)
            assert looked.returncode == 0, looked.stderr
        unlocking = snakemake(folder, EXPERIMENT, TARGET, "--unlock")
        assert "error: snakemake runs in this folder already" in unlocking.stderr


@pytest.mark.slow
def test_in_a_folder_that_may_not_be_written_a_plan_is_made_and_a_run_is_refused_in_one_line(folder):
    assert snakemake(folder, EXPERIMENT, TARGET).returncode == 0
    places = [path for path in (folder, *folder.rglob("*")) if path.is_dir() and "cache" not in path.parts]
    for place in places:
        place.chmod(0o555)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("nothing is closed to this user")
        plan, run = (snakemake(folder, EXPERIMENT, *options, TARGET) for options in (["-n"], []))
    finally:
        for place in places:
            place.chmod(0o755)
    assert plan.returncode == 0, plan.stderr
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert "may not be written" in line
    assert "Traceback" not in run.stderr
