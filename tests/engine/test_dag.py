"""Jobs, reasons and starts of a tiny workflow in which one job has failed and one was killed."""

import json
import os
import re
import signal
import time

import pytest
from derain.engine import FOLDER, LOCKS, LOGS
from derain.engine.logs import failed_outputs
from workflows import SNAKEFILE, run, start

pytestmark = pytest.mark.xdist_group("engine")  # one worker makes what its tests share

TARGETS = (
    "same.txt",
    "forced.txt",
    "missing.a",
    "x.params",
    "inputs.txt",
    "environment.txt",
    "newer.txt",
    "merged.txt",
)
PLAN = """
import dataclasses, json, shutil, sys
from derain.engine import FOLDER
from derain.engine.dag import with_dag

def look(dag):
    reasons = {job.rule: dataclasses.asdict(reason) for job, reason in dag.reasons()}
    begun = dag.begun(["slow.a", "slow.b", "same.txt"])
    shutil.rmtree(FOLDER / "incomplete")  # as if the job had ended
    jobs = {job.rule: dataclasses.asdict(job) for job in dag.jobs}
    print(json.dumps([jobs, reasons, sorted(begun), sorted(dag.begun(["slow.a"]))]))

with_dag(look, sys.argv[1:])
"""


def plan(folder, *arguments):
    """Jobs and reasons by rule, begun files, and begun files once their mark is gone."""
    process = start(folder, *arguments, program=("-c", PLAN))
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return json.loads(output.splitlines()[-1])


def onstart(folder):
    """What each of the two runs of the tiny workflow had at its start."""
    return [json.loads(line) for line in (folder / "onstart.json").read_text().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the tiny workflow has run: one job failed, a job of a later run was killed."""
    folder = tmp_path_factory.mktemp("engine")
    (folder / "Snakefile").write_text(SNAKEFILE)
    for name in ("first", "second", "newer"):
        (folder / f"{name}.in").touch()
    first = run(folder, "--default-resources", "pace=60", "--keep-going", "--", *TARGETS, "fails.a")
    assert first.returncode == 1, first.stderr
    limits = ("--max-jobs-per-timespan", "50/1s", "--default-resources", "pace=2 * threads")
    killed = start(folder, *limits, "--", "slow.a")
    end = time.monotonic() + 60
    while not (folder / "slow.a").exists() and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    return folder


@pytest.fixture(scope="module")
def changed(folder):
    """What is planned after a change of each kind."""
    (folder / "missing.a").unlink()
    (folder / "newer.in").write_text("other content")
    config = ("--config", "steps=3", "input=second.in", "module=two")
    return plan(folder, "--rerun-incomplete", "--forcerun", "forced", *config, "--", *TARGETS, "slow.a")


def test_jobs_of_a_plan(changed):
    jobs = changed[0]
    assert {rule for rule, job in jobs.items() if job["needed"]} == {
        "forced", "missing", "params", "inputs", "environment", "newer", "slow"
    }  # fmt: skip
    assert jobs["params"] == {
        "rule": "params",
        "outputs": ["x.params"],
        "log": "x.log",
        "needed": True,
        "params": {"recipe": {"steps": 3, "loss": "l1"}, "other": "x"},
        "wildcards": {"name": "x"},
        "consumed_into": [],
    }
    assert jobs["slow"]["outputs"] == ["slow.a", "slow.b"]


def test_a_plan_where_nothing_was_made(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    jobs, reasons, begun, _ = plan(tmp_path, "--", "missing.a", "merged.txt")
    assert list(jobs) == list(reasons) == ["merged", "missing", "shard"]
    assert jobs["shard"]["consumed_into"] == ["merged.txt"]
    assert (reasons["missing"]["recorded"], reasons["missing"]["missing"]) == ([], ["missing.a", "missing.b"])
    assert reasons["shard"]["missing"] == []  # temporary
    assert begun == []


NO_REASON = {
    "missing": [],
    "forced": False,
    "begun": False,
    "old_params": [],
    "new_params": {},
    "inputs_changed": False,
    "environment_changed": False,
    "newer_inputs": [],
}


@pytest.mark.parametrize(
    ("rule", "recorded", "reason"),
    [
        ("forced", ["forced.txt"], {"forced": True}),
        ("missing", ["missing.a", "missing.b"], {"missing": ["missing.a"]}),
        (
            "params",
            ["x.params"],
            {
                "old_params": [{"steps": 2, "loss": "l1"}],
                "new_params": {"recipe": {"steps": 3, "loss": "l1"}},
            },
        ),
        ("inputs", ["inputs.txt"], {"inputs_changed": True}),
        ("environment", ["environment.txt"], {"environment_changed": True}),
        ("newer", ["newer.txt"], {"newer_inputs": ["newer.in"]}),
        ("slow", [], {"begun": True, "missing": ["slow.b"]}),
    ],
)
def test_the_reason_of_a_job(changed, rule, recorded, reason):
    assert changed[1][rule] == NO_REASON | {"recorded": recorded} | reason


def test_outputs_of_a_begun_job_by_marks_that_are_read_anew(changed):
    assert changed[2:] == [["slow.a", "slow.b"], []]


def test_a_killed_run_leaves_its_locks_where_they_are_looked_for(folder):
    assert list((folder / FOLDER / LOCKS).glob("*.lock"))


def test_failed_outputs_are_those_of_the_latest_log(folder, tmp_path):
    logs = folder / FOLDER / LOGS
    first, *_ = sorted(logs.glob("*.log"))
    (tmp_path / first.name).write_text(first.read_text())
    assert failed_outputs(tmp_path) == {"fails.a", "fails.b"}
    (tmp_path / "9999.log").touch()
    assert failed_outputs(tmp_path) == failed_outputs(tmp_path / "none") == set()


def test_the_default_limit_of_job_starts_is_removed_and_one_that_somebody_set_is_kept(folder):
    assert [seen["limit"] for seen in onstart(folder)] == [
        {"before": True, "after": False},
        {"before": True, "after": True},
    ]


def test_default_resources_are_read_as_they_are_stated(folder):
    assert [seen["pace"] for seen in onstart(folder)] == [60, "2 * threads"]


CHAIN = """
rule page:
    input: "scores.txt", "other.txt"
    output: "page.txt"
    shell: "cat {input} > {output}"

rule scores:
    input: "theta.txt"
    output: "scores.txt"
    shell: "cat {input} > {output}"

rule theta:
    output: "theta.txt"
    shell: "echo a > {output}"

rule other:
    output: "other.txt"
    shell: "echo a > {output}"
"""
COUNT = """
import sys
from derain.engine.dag import with_dag

def look(dag):
    planned = {file for job in dag.jobs for file in job.outputs}
    print("jobs:", *sorted(planned), "needed:", *sorted(file for job, _ in dag.reasons() for file in job.outputs))

with_dag(look, sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("options", "files"),
    [
        (("--until", "scores"), ["scores.txt", "theta.txt"]),
        pytest.param(("--omit-from", "scores"), ["other.txt", "theta.txt"], marks=pytest.mark.slow),
        pytest.param((), ["other.txt", "page.txt", "scores.txt", "theta.txt"], marks=pytest.mark.slow),
        pytest.param(("--until", "theta", "other"), ["other.txt", "theta.txt"], marks=pytest.mark.slow),
        pytest.param(("--omit-from", "theta"), ["other.txt"], marks=pytest.mark.slow),
    ],
)
def test_the_jobs_of_a_plan_are_those_that_snakemake_would_run(options, files, tmp_path):
    (tmp_path / "Snakefile").write_text(CHAIN)
    dry = run(tmp_path, "-n", *options)
    found = start(tmp_path, *options, program=("-c", COUNT)).communicate()[0].splitlines()[-1]
    assert re.search(r"^total +(\d+)$", dry.stdout + dry.stderr, re.M)[1] == str(len(files))
    assert found == " ".join(["jobs:", *files, "needed:", *files])
    assert run(tmp_path, *options).returncode == 0
    done = start(tmp_path, *options, program=("-c", COUNT)).communicate()[0].splitlines()[-1]
    assert done == " ".join(["jobs:", *files, "needed:"])
