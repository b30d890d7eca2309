import os
import re
from pathlib import Path

import pytest
from derain.report.missing import OF_THETA, SHOWN, missing, missing_photographs
from places import REPOSITORY


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _stage(*datasets, method="nr"):
    path = "/".join(datasets)
    before = "/".join(datasets[:-1])
    return {
        "network": "net", "seed": 0, "method": method, "given": method == "given",
        "datasets": list(datasets), "theta": f"{path}/theta",
        "theta_before": f"{before}/theta" if before else None, "scores": [f"{path}/1.csv", f"{path}/2.csv"],
        "logs": f"logs/{path}",
    }  # fmt: skip


def _missing(*stages, **datasets):
    return missing({"datasets": datasets, "stages": stages})


def _write(*files, text=""):
    for file in files:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(text, encoding="utf-8")


def test_a_finished_run_misses_nothing():
    stage = _stage("a", "b")
    _write(stage["theta"], *stage["scores"], "pairs", "pixels", "rainy")
    assert _missing(stage, a={"pairs": "pairs", "pixels": "pixels", "rainy": "rainy", "check": "check"}) == []


def test_joint_training_has_no_order():
    lines = _missing(_stage("a", "b", method="joint"), _stage("a", "b", method="nr"))
    assert [line.partition(" (")[0] for line in lines] == ["joint, a, b", "nr, a → b"]


def test_each_stage_has_its_reason():
    first, second, third = _stage("a", method="first"), _stage("a", "b"), _stage("a", "b", "c")
    given = _stage(method="given")
    _write(first["theta"], first["scores"][0])
    assert _missing(first, second, third, given, a={"pairs": "p", "pixels": "q", "rainy": "r"}) == [
        "dataset a: not packed and scored yet",
        "first, a (net, seed 0): not scored yet",
        "nr, a → b (net, seed 0): not trained yet",
        "nr, a → b → c (net, seed 0): waits for the stage before it",
        "given (net, seed 0): not there yet",
    ]


def test_what_is_there_and_not_of_this_config_is_missing():
    trained, scored = _stage("a"), _stage("b")
    _write(trained["theta"], *trained["scores"], scored["theta"], *scored["scores"])
    old = {trained["theta"], *trained["scores"], scored["scores"][1]}
    assert missing({"datasets": {}, "stages": [trained, scored]}, lambda file: file not in old) == [
        "nr, a (net, seed 0): of another config, not made again yet",
        "nr, b (net, seed 0): scores of another θ or config, not scored again yet",
    ]


def test_the_error_that_ended_a_job_is_the_reason():
    scored, trained = _stage("a"), _stage("b")
    _write(scored["theta"])
    _write("logs/a/evaluate-all.log", text="begun\nerror: no space\n")
    _write("logs/b/train.log", text="error: an older one\nbegun again\nerror: not finite\n")
    assert _missing(scored, trained) == [
        "nr, a (net, seed 0): failed (no space)",
        "nr, b (net, seed 0): failed (not finite)",
    ]


@pytest.mark.parametrize("log", ["theory.log", "tensors.log", "omega.log", "chord/alpha-0.5.log"])
def test_an_old_error_of_a_later_job_is_no_reason_for_a_missing_network(log):
    _write(f"logs/a/{log}", text="error: of an earlier run\n")
    assert _missing(_stage("a")) == ["nr, a (net, seed 0): not trained yet"]


def test_the_newest_error_of_the_jobs_that_make_a_network_is_the_reason():
    """Each of them has its own log, which stays when another rule makes the network in the next run."""
    for time, name in enumerate(OF_THETA):
        _write(f"logs/a/{name}", text=f"error: of {name}\n")
        os.utime(f"logs/a/{name}", (time, time))
        assert _missing(_stage("a")) == [f"nr, a (net, seed 0): failed (of {name})"]


def test_the_logs_are_those_of_the_rules_that_make_a_network():
    rules = "".join(file.read_text(encoding="utf-8") for file in (REPOSITORY / "rules").glob("*.smk"))
    blocks = re.split(r"^(?:use )?rule ", rules, flags=re.MULTILINE)
    makes = [
        each
        for each in blocks
        if re.search(r'output:\s+(?:theta=)?"results/(?:stages/\{stage\}|\{trained\})/theta', each)
    ]
    assert {re.search(r'log:\s+".*/(\w+\.log)"', each)[1] for each in makes} == set(OF_THETA) - {"choose.log"}


def test_more_lines_than_a_page_shows_are_counted():
    lines = _missing(*(_stage(f"d{n}") for n in range(SHOWN + 7)))
    assert len(lines) == SHOWN + 1
    assert lines[-1] == "and 7 more"


def test_pages_of_photographs_that_are_not_there_have_their_reason():
    waits, failed, done = (_stage(name) | {"page": f"photographs/{name}.html"} for name in "abc")
    _write("results/photographs/c.html")
    _write("logs/b/restore.log", text="error: x.png: cannot be read\n")
    assert missing_photographs({"photographs": [waits, failed, done]}, Path("results")) == {
        "photographs/a.html": "nr, a (net, seed 0): photographs not restored yet",
        "photographs/b.html": "nr, b (net, seed 0): failed (x.png: cannot be read)",
    }
