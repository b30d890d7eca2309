"""What derain.run.engine uses of Snakemake beyond its documentation, a test for each part, on a tiny workflow.

After an upgrade of Snakemake: run these tests, mend derain.run.engine where one fails, then change its VERSION.
"""

import asyncio
import importlib
import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import forked
import pytest
import snakemake
from commandline import environment
from derain.errors import UserError
from derain.run import engine
from places import REPOSITORY

pytestmark = pytest.mark.xdist_group("engine")  # one worker makes what its tests share

SNAKEFILE = f"""
import json, sys
sys.path.insert(0, {str(REPOSITORY / "scripts")!r})
from derain.run import engine

onstart:
    limit = dict(before=workflow.scheduler.job_rate_limiter is not None)
    engine.remove_default_start_limit(workflow)
    limit["after"] = workflow.scheduler.job_rate_limiter is not None
    pace = engine.resource_value(workflow.resource_settings.default_resources["pace"])
    with open("onstart.json", "a") as file:
        print(json.dumps(dict(limit=limit, pace=pace)), file=file)

onsuccess:
    with open("onsuccess.json", "w") as file:
        json.dump(sorted(engine.planned_outputs(workflow)), file)

rule same:
    output: "same.txt"
    params: recipe=dict(steps=2)
    shell: "touch {{output}}"

rule forced:
    output: "forced.txt"
    shell: "touch {{output}}"

rule missing:
    output: "missing.a", "missing.b"
    shell: "touch {{output}}"

rule params:
    output: "{{name}}.params"
    log: "{{name}}.log"
    params: recipe=dict(steps=int(config.get("steps", 2)), loss="l1"), other="x"
    shell: "touch {{output}}"

rule inputs:
    input: config.get("input", "first.in")
    output: "inputs.txt"
    shell: "touch {{output}}"

rule environment:
    output: "environment.txt"
    envmodules: config.get("module", "one")
    shell: "touch {{output}}"

rule newer:
    input: "newer.in"
    output: "newer.txt"
    shell: "touch {{output}}"

rule shard:
    output: temp("shard.txt")
    shell: "touch {{output}}"

rule merged:
    input: "shard.txt"
    output: "merged.txt"
    shell: "touch {{output}}"

rule made:
    output: "made.txt"
    params: version=config.get("made", 1)
    shell: "touch {{output}}"

rule asked:
    input: "made.txt"
    output: "asked.txt"
    shell: "touch {{output}}"

rule decided:
    input: unpack(engine.by_digest(lambda wildcards: dict(tables="made.txt", other="second.in")))
    output: "decided.txt"
    params: digest=config.get("digest", "a")
    shell: "cat {{input}} > {{output}}"

rule fails:
    output: "fails.a", "fails.b"
    log: "fails.log"
    shell: "exit 1"

rule slow:
    output: "slow.a", "slow.b"
    shell: "touch slow.a; sleep 60"
"""
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
from derain.run.engine import FOLDER, with_dag

def look(dag):
    reasons = {job.rule: dataclasses.asdict(reason) for job, reason in dag.reasons()}
    begun = dag.begun(["slow.a", "slow.b", "same.txt"])
    shutil.rmtree(FOLDER / "incomplete")  # as if the job had ended
    jobs = {job.rule: dataclasses.asdict(job) for job in dag.jobs}
    print(json.dumps([jobs, reasons, sorted(begun), sorted(dag.begun(["slow.a"]))]))

with_dag(look, sys.argv[1:])
"""
TRIGGERS = ("--rerun-triggers", "mtime", "input", "params", "software-env")


def start(folder, *arguments, program=("-m", "snakemake")):
    return subprocess.Popen(
        [sys.executable, *program, "--cores", "2", *TRIGGERS, *arguments],
        cwd=folder,
        env=environment(folder) | {"PYTHONPATH": str(REPOSITORY / "scripts")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )


def run(folder, *arguments):
    """A finished run."""
    return forked.run(["--cores", "2", *TRIGGERS, *arguments], folder, environment(folder), 120)


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


def test_the_version_is_the_one_that_the_adapter_was_written_for():
    assert snakemake.__version__ == engine.VERSION, __doc__


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
    assert list((folder / engine.FOLDER / engine.LOCKS).glob("*.lock"))


def test_failed_outputs_are_those_of_the_latest_log(folder, tmp_path):
    logs = folder / engine.FOLDER / engine.LOGS
    first, *_ = sorted(logs.glob("*.log"))
    (tmp_path / first.name).write_text(first.read_text())
    assert engine.failed_outputs(tmp_path) == {"fails.a", "fails.b"}
    (tmp_path / "9999.log").touch()
    assert engine.failed_outputs(tmp_path) == engine.failed_outputs(tmp_path / "none") == set()


def test_the_default_limit_of_job_starts_is_removed_and_one_that_somebody_set_is_kept(folder):
    assert [seen["limit"] for seen in onstart(folder)] == [
        {"before": True, "after": False},
        {"before": True, "after": True},
    ]


def test_default_resources_are_read_as_they_are_stated(folder):
    assert [seen["pace"] for seen in onstart(folder)] == [60, "2 * threads"]


DECIDED = ("decided.txt", "asked.txt")
BY_DIGEST = {
    "nothing": ((), (), set()),
    "new": (("made.txt",), (), {"asked"}),
    "deleted and made again for another": (("-made.txt", "-asked.txt"), (), {"made", "asked"}),
    "made by another recipe": ((), ("made=2",), {"made", "asked"}),
    "another digest": ((), ("digest=b",), {"decided"}),
    "another digest, deleted": (("-made.txt",), ("digest=b",), {"made", "asked", "decided"}),
    "another digest, made by another recipe": ((), ("made=2", "digest=b"), {"made", "asked", "decided"}),
    "an input of another name": (("second.in",), (), {"decided"}),
    "output deleted": (("-decided.txt",), (), {"decided"}),
    "both deleted": (("-decided.txt", "-made.txt"), (), {"made", "decided", "asked"}),
}


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decided")
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "second.in").touch()
    made = run(folder, "--default-resources", "pace=1", "--", *DECIDED)
    assert made.returncode == 0, made.stderr
    return folder


def test_outputs_of_the_dag_are_those_of_the_targets_and_of_what_they_need(decided, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(decided, folder)
    for options, outputs in (
        (("--forcerun", "asked", "--", "asked.txt"), ["asked.txt", "made.txt"]),
        (("--until", "made", "--forcerun", "made", "--", "asked.txt"), ["made.txt"]),
    ):
        ran = run(folder, "--default-resources", "pace=1", *options)
        assert ran.returncode == 0, ran.stderr
        assert json.loads((folder / "onsuccess.json").read_text()) == outputs


@pytest.mark.parametrize("case", BY_DIGEST)
def test_files_that_a_digest_stands_for_rerun_nothing(case, decided, tmp_path):
    changes, config, rules = BY_DIGEST[case]
    folder = tmp_path / "run"
    shutil.copytree(decided, folder)
    for change in changes:
        if change.startswith("-"):
            (folder / change[1:]).unlink()
        else:
            (folder / change).write_text("other")
    options = ("--config", *config) if config else ()
    planned = run(folder, "--default-resources", "pace=1", *options, "-n", "--", *DECIDED)
    assert planned.returncode == 0, planned.stderr
    assert set(re.findall(r"^rule (\w+):", planned.stdout + planned.stderr, re.M)) == rules


RECORDED = f"""
import sys
sys.path.insert(0, {str(REPOSITORY / "scripts")!r})
from derain.run import engine
if workflow.is_main_process:
    engine.check_outputs()

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


def test_nothing_else_in_the_library_and_its_commands_imports_snakemake():
    sources = {path: path.read_text(encoding="utf-8") for path in (REPOSITORY / "scripts").rglob("*.py")}
    users = {path.name for path, text in sources.items() if "import snakemake" in text or "from snakemake" in text}
    assert users == {"engine.py"}
    modules = [
        path.relative_to(REPOSITORY / "scripts").with_suffix("") for path in sources if path.parent.name != "scripts"
    ]
    code = f"""
import sys
from importlib import import_module

sys.modules["snakemake"] = None  # as where it is not installed
for name in {sorted(".".join(module.parts).removesuffix(".__init__") for module in modules)}:
    import_module(name)
print("all")
"""
    loaded = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY / "scripts", capture_output=True, text=True)
    assert (loaded.stdout, loaded.stderr) == ("all\n", "")


def test_configs_are_merged_as_the_engine_does():
    """Section by section; the workflow itself is compared in tests/commands."""
    merged = engine.merge_configs([{"one": {"b": 1, "c": [1, 2]}}, {"one": {"c": [3]}}], ["one={d: 4}", "two="])
    assert merged == {"one": {"b": 1, "c": [3], "d": "4"}, "two": None}
    with pytest.raises(UserError, match=r"^--config: Invalid config definition"):
        engine.merge_configs([{}], ["one"])


LOOKS = f"""
import json, os, sys, time
sys.path.insert(0, {str(REPOSITORY / "scripts")!r})
from derain.run import engine

looks = engine.only_looks(workflow)
if workflow.is_main_process:
    with open("looks.json", "a") as file:
        print(json.dumps(looks), file=file)
    with engine.exit_in_one_line():
        engine.check_records()
    engine.prepare(looks)

onstart:
    engine.set_clocks_right(workflow)

rule all:
    input: "made.txt"

rule made:
    input: "ahead.in"
    output: "made.txt"
    conda: "envs/none.yaml"
    shell: "cp {{input}} {{output}}"

engine.escape_environments(workflow)
"""


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """A workflow below a path with braces, whose input is of tomorrow; it has run once."""
    folder = tmp_path_factory.mktemp("braces {x}")
    (folder / "Snakefile").write_text(LOOKS)
    (folder / "envs").mkdir()
    (folder / "envs/none.yaml").write_text("dependencies: []\n")
    (folder / "ahead.in").write_text("x")
    tomorrow = time.time() + 24 * 3600
    os.utime(folder / "ahead.in", (tomorrow, tomorrow))
    made = run(folder)
    assert made.returncode == 0, made.stderr
    return folder


def test_an_input_of_tomorrow_costs_no_output_and_is_as_old_as_it_can_be(looked):
    assert (looked / "made.txt").is_file()
    assert (looked / "ahead.in").stat().st_mtime <= (looked / "made.txt").stat().st_mtime <= time.time()


@pytest.mark.parametrize(
    ("options", "looks"),
    [
        (["-n"], True),
        (["--summary"], True),
        (["-D"], True),
        (["--dag"], True),
        (["--rulegr"], True),
        (["--list-rules"], True),
        (["--lint"], True),
        (["--report", "report.zip"], True),
        (["--touch"], False),
        (["--unlock"], False),
        (["--delete-all-output"], False),
        (["--forceall"], False),
    ],
)
def test_what_only_looks_is_known_when_the_workflow_is_read(options, looks, looked):
    run(looked, *options)
    assert json.loads((looked / "looks.json").read_text().splitlines()[-1]) is looks


def test_records_of_jobs_are_as_readable_as_other_files(looked):
    run(looked, "--forceall")
    records = [path for path in (looked / engine.FOLDER / "metadata").rglob("*") if path.is_file()]
    mask = os.umask(0)
    os.umask(mask)
    assert records
    assert {path.stat().st_mode & 0o777 & ~0o020 for path in records} == {0o666 & ~mask & ~0o020}


def _record(folder):
    """The record of a job."""
    return next(path for path in (folder / engine.FOLDER / "metadata").rglob("*") if path.is_file())


@pytest.mark.parametrize("content", [b"\xcd", b"[1]", b'{"params": 3}', b'{"rule"'])
def test_a_damaged_record_of_a_job_is_ignored(content, looked):
    run(looked, "--forceall")
    record = _record(looked)
    record.write_bytes(content)
    for options in (["-n"], []):
        done = run(looked, *options)
        assert done.returncode == 0, done.stderr
        assert record.name in done.stdout + done.stderr
        assert "Error" not in done.stdout + done.stderr


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_of_the_engine_is_named(make, looked):
    run(looked, "--forceall")
    for path in (_record(looked), looked / engine.FOLDER / "iocache/latest.pkl"):
        path.unlink(missing_ok=True)
        make(path)
        done = run(looked, "-n")
        assert done.returncode == 1
        line = f"error: {path.relative_to(looked)}: is no regular file; delete it and run again"
        assert line in done.stderr.splitlines()
        path.rmdir() if path.is_dir() else path.unlink()
        assert run(looked).returncode == 0


def test_where_its_cache_may_not_be_written_a_plan_does_without(looked):
    cache = looked / engine.FOLDER / "iocache"
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


def test_states_of_slurm_are_cut_to_the_word_that_the_executor_plugin_knows(monkeypatch):
    plugin = importlib.import_module("snakemake_executor_plugin_slurm")
    answers = iter([({"7": "CANCELLED by 1000", "8": "RUNNING", "9": ""}, 0.1), (None, None), ({}, 0.1)])

    async def query(command, logger):
        return next(answers)

    monkeypatch.setattr(plugin, "query_job_status", query)
    monkeypatch.setattr(plugin, "get_submit_command", None)
    monkeypatch.setattr(plugin.Executor, "report_job_error", plugin.Executor.report_job_error)
    engine.correct_slurm_executor(lambda minutes: minutes)
    answered = [asyncio.run(plugin.query_job_status("sacct", None)) for _ in range(3)]
    assert answered == [({"7": "CANCELLED", "8": "RUNNING", "9": ""}, 0.1), (None, None), ({}, 0.1)]
    assert '"CANCELLED",' in inspect.getsource(plugin.Executor.check_active_jobs)


def test_what_is_no_node_is_not_excluded_from_later_jobs_of_slurm(monkeypatch):
    plugin = importlib.import_module("snakemake_executor_plugin_slurm")
    monkeypatch.setattr(plugin, "get_submit_command", lambda job, failed_nodes, settings: f"job {failed_nodes}")
    monkeypatch.setattr(plugin, "query_job_status", None)
    monkeypatch.setattr(plugin.Executor, "report_job_error", plugin.Executor.report_job_error)
    engine.correct_slurm_executor(lambda minutes: minutes)
    job = SimpleNamespace(resources={})
    assert plugin.get_submit_command(job, settings=None, failed_nodes={"None assigned", "node1"}) == "job {'node1'}"
    assert "failed_nodes=self._failed_nodes" in inspect.getsource(plugin.Executor.run_job)


def test_a_job_of_slurm_requests_no_more_time_than_it_may(monkeypatch):
    """`runtime` of a group is the sum of its parts'. Of several options -t, sbatch takes the last one."""
    plugin = importlib.import_module("snakemake_executor_plugin_slurm")
    monkeypatch.setattr(plugin, "query_job_status", None)
    monkeypatch.setattr(plugin, "get_submit_command", lambda job, failed_nodes, settings: "sbatch -t 2880")
    monkeypatch.setattr(plugin.Executor, "report_job_error", plugin.Executor.report_job_error)
    engine.correct_slurm_executor(lambda minutes: min(minutes, 90))
    for resources, command in (({"runtime": 2880}, "sbatch -t 2880 -t 90"), ({"runtime": 90}, "sbatch -t 2880")):
        job = SimpleNamespace(resources=resources)
        assert plugin.get_submit_command(job, settings=None, failed_nodes=set()) == command
    source = inspect.getsource(plugin.Executor.run_job)
    assert "get_submit_command(\n                job," in source
