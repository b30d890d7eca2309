"""Snakemake's records of jobs: who may read them, and what becomes of damaged ones."""

import os
import time

import pytest
from derain.engine import FOLDER
from workflows import run, start

pytestmark = pytest.mark.xdist_group("engine")  # one worker makes what its tests share


def test_records_of_jobs_are_as_readable_as_other_files(looked):
    run(looked, "--forceall")
    records = [path for path in (looked / FOLDER / "metadata").rglob("*") if path.is_file()]
    mask = os.umask(0)
    os.umask(mask)
    assert records
    assert {path.stat().st_mode & 0o777 & ~0o020 for path in records} == {0o666 & ~mask & ~0o020}


def _record(folder):
    """The record of a job."""
    return next(path for path in (folder / FOLDER / "metadata").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "content",
    [b"[1]", *(pytest.param(content, marks=pytest.mark.slow) for content in (b"\xcd", b'{"params": 3}', b'{"rule"'))],
)
def test_a_damaged_record_of_a_job_is_ignored(content, looked):
    run(looked, "--forceall")
    record = _record(looked)
    record.write_bytes(content)
    for options in (["-n"], []):
        done = run(looked, *options)
        assert done.returncode == 0, done.stderr
        assert record.name in done.stdout + done.stderr
        assert "Error" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        pytest.param(os.mkdir, marks=pytest.mark.slow),
        pytest.param(lambda path: os.symlink("/dev/zero", path), marks=pytest.mark.slow),
    ],
)
def test_what_is_no_file_of_the_engine_is_named(make, looked):
    run(looked, "--forceall")
    for path in (_record(looked), looked / FOLDER / "iocache/latest.pkl"):
        path.unlink(missing_ok=True)
        make(path)
        done = run(looked, "-n")
        assert done.returncode == 1
        line = f"error: {path.relative_to(looked)}: is no regular file; delete it and run again"
        assert line in done.stderr.splitlines()
        path.rmdir() if path.is_dir() else path.unlink()
        assert run(looked).returncode == 0


def test_where_its_cache_may_not_be_written_a_plan_does_without(looked):
    cache = looked / FOLDER / "iocache"
    for path in cache.iterdir():
        path.unlink()
    cache.chmod(0o555)
    code = "import os; os.access = lambda path, mode, was=os.access: 'iocache' not in str(path) and was(path, mode);"
    program = ("-c", f"{code} from snakemake.cli import main; main()")
    process = start(looked, "-n", program=program)
    _, errors = process.communicate()
    cache.chmod(0o755)
    assert process.returncode == 0, errors
    assert not list(cache.iterdir())


def test_an_input_of_tomorrow_costs_no_output_and_is_as_old_as_it_can_be(looked):
    assert (looked / "made.txt").is_file()
    assert (looked / "ahead.in").stat().st_mtime <= (looked / "made.txt").stat().st_mtime <= time.time()
