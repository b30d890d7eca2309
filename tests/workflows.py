"""Tiny workflows for the tests of the adapter to Snakemake, and their runs."""

import subprocess
import sys

import forked
from commandline import environment
from places import REPOSITORY

SNAKEFILE = f"""
import json, sys
sys.path.insert(0, {str(REPOSITORY / "scripts")!r})
from derain.engine.command import resource_value
from derain.engine.corrections import remove_default_start_limit
from derain.engine.dag import planned_outputs
from derain.engine.inputs import by_digest

onstart:
    limit = dict(before=workflow.scheduler.job_rate_limiter is not None)
    remove_default_start_limit(workflow)
    limit["after"] = workflow.scheduler.job_rate_limiter is not None
    pace = resource_value(workflow.resource_settings.default_resources["pace"])
    with open("onstart.json", "a") as file:
        print(json.dumps(dict(limit=limit, pace=pace)), file=file)

onsuccess:
    with open("onsuccess.json", "w") as file:
        json.dump(sorted(planned_outputs(workflow)), file)

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
    input: unpack(by_digest(lambda wildcards: dict(tables="made.txt", other="second.in")))
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
