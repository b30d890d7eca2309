"""What jobs are doing, from files that a test writes instead of Snakemake."""

import os

import pytest
from derain.engine.dag import Job
from derain.run.status import Watch, status_lines

ERROR = """[Tue Nov 24 23:27:51 2026]
Error in rule next:
    message: None
    jobid: 4
    input: results/stages/a/theta.safetensors
    output: {}
    log: results/logs/x.log (check log file(s) for error details)

Removing output files of failed job first since they might be corrupted:
"""


class Engine:
    """A folder in which jobs begin and end."""

    def __init__(self, folder):
        self.begun, self.alive, self.logs = set(), True, folder / ".snakemake/log"
        self.logs.mkdir(parents=True)

    def watch(self, *jobs):
        return Watch(jobs, lambda files: self.begun & {*files}, lambda: self.alive, self.logs)

    def start(self, job):
        for file in job.outputs:
            if os.path.exists(file):
                os.unlink(file)
        self.begun |= {*job.outputs}

    def steps(self, job, last, seconds):
        write(job.outputs[1], f"step,psnr_rgb_db,seconds\n1,20,0.5\n{last},21,{seconds}\n")

    def end(self, job):
        for file in job.outputs:
            if not os.path.exists(file):
                write(file)
        self.begun -= {*job.outputs}

    def fail(self, job):
        self.begun -= {*job.outputs}
        log = self.logs / "2026-11-24T2.snakemake.log"
        write(log, (log.read_text() if log.exists() else "") + ERROR.format(", ".join(job.outputs)))


def write(file, text=""):
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file, "w") as opened:
        opened.write(text)


def training(name, steps=100, needed=True, rule="next"):
    folder = f"results/stages/net/seed0/{name}"
    files = (f"{folder}/theta.safetensors", f"{folder}/training.csv")
    return Job(rule, files, f"results/logs/{name}.log", needed, {"recipe": {"training": {"steps": steps}}})


@pytest.fixture
def engine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Engine(tmp_path)


def states(watch):
    return [state.name for _, state in watch.states()]


def test_a_training_waits_runs_and_is_done_also_where_an_old_one_is_replaced(engine):
    fresh, old, current = training("fresh"), training("old"), training("current", needed=False)
    for job in (old, current):
        engine.end(job)
        os.utime(job.outputs[0], (1, 1))
    watch = engine.watch(fresh, old, current)
    assert states(watch) == ["waiting", "waiting", "done"]
    for job in (fresh, old):
        engine.start(job)
        engine.steps(job, 40, 8.0)
    assert [(state.name, state.step, state.seconds) for _, state in watch.states()[:2]] == [("running", 40, 8.0)] * 2
    engine.end(old)
    assert states(watch) == ["running", "done", "done"]


def test_a_job_that_was_finished_while_the_plan_was_made_is_done_afterwards(engine):
    job = training("a")
    engine.start(job)
    write(job.outputs[0])
    engine.steps(job, 100, 1.0)
    watch = engine.watch(job)
    assert states(watch) == ["running"]
    engine.end(job)
    assert states(watch) == ["done"]


def test_a_begun_job_without_a_run_is_interrupted(engine):
    job = training("a")
    watch = engine.watch(job)
    engine.start(job)
    engine.alive = False
    assert states(watch) == ["interrupted"]


def test_a_failure_is_one_until_it_is_tried_again_or_another_run_begins(engine):
    job, other = training("a"), training("b")
    watch = engine.watch(job, other)
    engine.start(job)
    engine.fail(job)
    assert states(watch) == ["failed", "waiting"]
    engine.start(job)
    assert states(watch) == ["running", "waiting"]
    engine.fail(job)
    write(engine.logs / "2026-11-24T3.snakemake.log", "Building DAG of jobs...\n")
    assert states(watch) == ["waiting", "waiting"]


def test_a_shard_is_done_also_after_the_merge_has_deleted_it(engine):
    shard = Job("importance_shard", ("results/o.shard0of1",), "log", True, consumed_into=("results/o",))
    merge = Job("importance", ("results/o",), "log", True)
    watch = engine.watch(shard, merge)
    engine.end(shard)
    assert states(watch) == ["done", "waiting"]
    os.unlink("results/o.shard0of1")
    engine.end(merge)
    assert states(watch) == ["done", "done"]


def test_lines_show_steps_and_time_left_by_the_pace_of_each_rule(engine):
    running, waiting, quick = training("a/b"), training("a/c"), training("first/a", rule="first")
    failed = training("a/d")
    evaluate = Job("evaluate", ("results/stages/net/seed0/first/a/scores/all.csv",), "log", True)
    idle = Job("evaluate", ("results/stages/net/seed0/a/b/scores/all.csv",), "log", True)
    watch = engine.watch(running, waiting, quick, failed, evaluate, idle)
    for job, step, seconds in ((quick, 100, 10.0), (running, 25, 50.0)):
        engine.start(job)
        engine.steps(job, step, seconds)
    engine.end(quick)
    engine.start(evaluate)
    engine.start(failed)
    engine.fail(failed)
    write(failed.log)
    lines = status_lines(watch.states(), "process 1 on host")
    assert lines == [
        "at work: process 1 on host",
        # 75 steps and 100 steps of `next`, 2 s each
        "6 jobs: 1 done, 2 waiting, 2 running, 1 failed; trainings: about 0:05:50 left",
        "",
        "failed       next              stages/net/seed0/a/d  see results/logs/a/d.log",
        "running      next              stages/net/seed0/a/b  step 25 of 100, 0:02:30 left",
        "running      evaluate          stages/net/seed0/first/a/scores/all.csv",
        "waiting      next              stages/net/seed0/a/c",
        "done         first             stages/net/seed0/first/a",
    ]


@pytest.mark.parametrize("table", [None, "", "step,seconds\n", "step,seconds\n20", "step,seconds\n20,x\n"])
def test_a_log_without_a_complete_row_is_no_fault(engine, table):
    job = training("a")
    engine.start(job)
    if table is not None:
        write(job.outputs[1], table)
    lines = status_lines(engine.watch(job).states(), None)
    assert lines[0] == "no run is at work here"
    assert lines[1] == "1 jobs: 1 running"
    assert lines[3].endswith("stages/net/seed0/a  has logged no step yet")


@pytest.mark.parametrize(
    ("rule", "params"), [("given", {"recipe": {"network": {}}}), ("take", {"recipe": {"training": {"steps": 9}}})]
)
def test_a_stage_that_is_not_trained_here_is_shown_without_steps(engine, rule, params):
    job = Job(rule, ("results/stages/net/seed0/given/theta.safetensors",), "log", True, params)
    engine.start(job)
    lines = status_lines(engine.watch(job).states(), None)
    assert lines[3:] == [f"running      {rule:<16}  stages/net/seed0/given"]
