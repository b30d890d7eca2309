"""Inputs that a digest stands for rerun nothing."""

import json
import re
import shutil

import pytest
from workflows import SNAKEFILE, run

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
