"""A workflow that several modules of tests look at."""

import os
import time

import pytest
from places import REPOSITORY
from workflows import run

LOOKS = f"""
import json, os, sys, time
sys.path.insert(0, {str(REPOSITORY / "scripts")!r})
from derain.engine.command import only_looks
from derain.engine.corrections import escape_environments, set_clocks_right
from derain.engine.records import check_records, read_records_only, write_readable_records
from derain.errors import exit_in_one_line

looks = only_looks(workflow)
if workflow.is_main_process:
    with open("looks.json", "a") as file:
        print(json.dumps(looks), file=file)
    with exit_in_one_line():
        check_records()
    if "closed" in config:  # as for another user: to root every folder is open
        os.access = lambda path, mode, was=os.access: config["closed"] not in str(path) and was(path, mode)
    read_records_only() if looks else write_readable_records()

onstart:
    set_clocks_right(workflow)

rule all:
    input: "made.txt"

rule made:
    input: "ahead.in"
    output: "made.txt"
    conda: "envs/none.yaml"
    shell: "cp {{input}} {{output}}"

escape_environments(workflow)
"""


@pytest.fixture(scope="session")
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
