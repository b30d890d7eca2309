"""Snakemake's records of jobs: who may read them, and what becomes of damaged ones."""

import os
import time
from pathlib import Path

import pytest
from derain.engine import FOLDER
from derain.engine.records import check_records
from faults import faults_of
from snakemake.persistence import MetadataRecord
from snakemake.persistence.file import FilePersistence
from workflows import run

pytestmark = pytest.mark.xdist_group("engine")  # one worker makes what its tests share


def test_records_of_jobs_are_as_readable_as_other_files(looked):
    run(looked, "--forceall")
    records = [path for path in (looked / FOLDER / "metadata").rglob("*") if path.is_file()]
    mask = os.umask(0)
    os.umask(mask)
    assert records
    assert {path.stat().st_mode & 0o777 & ~0o020 for path in records} == {0o666 & ~mask & ~0o020}


@pytest.fixture
def records(tmp_path, monkeypatch):
    """Snakemake's records in an empty folder, which is the current one; what check_records changes ends with a test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(FilePersistence, "_io_read", FilePersistence._io_read)
    return FilePersistence(path=FOLDER)


@pytest.mark.parametrize("content", [b"[1]", b"\xcd", b'{"params": 3}', b'{"rule"'])
def test_a_damaged_record_of_a_job_is_ignored(content, records, caplog, capsys):
    records._write_record("made.txt", MetadataRecord(rule="made"))
    check_records()
    assert records._read_record("made.txt").rule == "made"
    file = Path(records._record_path(FOLDER / "metadata", "made.txt"))
    assert file.is_file() and file.name not in caplog.text + capsys.readouterr().err
    file.write_bytes(content)
    records._clear_cache()
    assert records._read_record("made.txt") in (None, MetadataRecord())
    assert file.name in caplog.text + capsys.readouterr().err


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
@pytest.mark.parametrize("file", ["metadata/bWFkZS50eHQ=", "incomplete/@bWFkZS50eHQ/x", "iocache/latest.pkl"])
def test_what_is_no_file_of_the_engine_is_named(make, file, records):
    path = FOLDER / file
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)
    assert faults_of(check_records) == [f"{path}: is no regular file; delete it and run again"]
    path.rmdir() if path.is_dir() else path.unlink()
    path.touch()
    check_records()


def test_a_run_ignores_a_damaged_record_and_names_what_is_no_file(looked):
    record = next(path for path in (looked / FOLDER / "metadata").rglob("*") if path.is_file())
    sound = record.read_bytes()
    record.write_bytes(b"\xcd")
    for options in (["-n"], []):
        done = run(looked, *options)
        assert done.returncode == 0, done.stderr
        assert record.name in done.stdout + done.stderr
        assert "Error" not in done.stdout + done.stderr
    record.unlink()
    os.mkfifo(record)
    done = run(looked, "-n")
    assert done.returncode == 1
    line = f"error: {record.relative_to(looked)}: is no regular file; delete it and run again"
    assert line in done.stderr.splitlines()
    record.unlink()
    record.write_bytes(sound)


def test_where_its_cache_may_not_be_written_a_plan_does_without(looked):
    cache = looked / FOLDER / "iocache"
    for path in cache.iterdir():
        path.unlink()
    cache.chmod(0o555)
    done = run(looked, "-n", "--config", "closed=iocache")
    cache.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert not list(cache.iterdir())


def test_an_input_of_tomorrow_costs_no_output_and_is_as_old_as_it_can_be(looked):
    assert (looked / "made.txt").is_file()
    assert (looked / "ahead.in").stat().st_mtime <= (looked / "made.txt").stat().st_mtime <= time.time()
