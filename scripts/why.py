"""Which jobs would run, and why: what changed in the config, the data or the library since their files were made.

python scripts/why.py [targets and options of snakemake]
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dag import with_plan
from derain.run.causes import causes

SHOWN = 6  # places of a rule
FOLLOWS = "what they are made from runs"


def tell(workflow: Any) -> None:
    """Print the jobs of a plan by cause; jobs that follow from others come last."""
    dag = workflow.dag
    by_cause: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    jobs = sorted((job for job in dag.needrun_jobs() if job.output), key=lambda job: job.output[0])
    for job in jobs:
        told = list(reasons(job, dag.reason(job), workflow.persistence)) or [FOLLOWS]
        by_cause["; ".join(told)][job.rule.name].append(str(Path(job.output[0]).relative_to("results")))
    for cause, rules in sorted(by_cause.items(), key=lambda item: item[0] == FOLLOWS):
        print(f"because {cause}:")
        for rule, places in rules.items():
            more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
            print(f"    {rule} ({len(places)}): {', '.join(places[:SHOWN])}{more}")
    print(f"{len(jobs)} jobs would run" if jobs else "nothing would run: every file is what its recipe makes")


def reasons(job: Any, reason: Any, persistence: Any) -> Iterator[str]:
    """Causes of a job that are its own."""
    if reason.forced:
        yield "you ask for it (-f, -F, -R)"
    missing = [file for file in job.output if not Path(file).exists() and file not in job.temp_output]
    if not persistence.has_metadata(job) or len(missing) == len(job.output):
        known = any(persistence.metadata(file) for file in job.output)
        yield "files are missing" if known else "it was never made here"
        return
    if missing:
        yield "files are missing"
    if reason.incomplete_output:
        yield "it was interrupted"
    if changed := persistence.params_changed(job):
        now = {name: value for name, value in job.params.items() if repr(value) in changed.only_new}
        yield from causes(changed.only_old, now, in_config(job))
    elif any(persistence.input_changed(job)):
        yield "it is made from other files"
    if any(persistence.software_stack_changed(job)):
        yield "another software environment"
    if files := sorted(reason.updated_input - reason.updated_input_run):
        yield f"newer input {', '.join(files)}"


def in_config(job: Any) -> dict[str, str]:
    """Where the sections of a job's recipe stand in the config."""
    network, _, method, *_ = [*job.wildcards.get("stage", "").split("/"), "", "", ""]
    network, method = job.wildcards.get("network", network), job.wildcards.get("method", method)
    return {
        "network": f"networks.{network}",
        "initial_weights": f"networks.{network}.initial_weights",
        "penalty": f"methods.{method}.penalty",
        "distillation": f"methods.{method}.distillation",
        "how": f"methods.{method}.penalty.accumulation",
        "alpha": f"methods.{method}.penalty.alpha",
        "importance": f"importances.{job.wildcards.get('importance', '')}",
        "memory": "memories" if job.rule.name.startswith("remember") else f"methods.{method}.memory",
        "threads": "training.threads",
        "pack": f"datasets.{job.wildcards.get('dataset', '')}.pack",
        "rounding": "evaluation.rounding",
        "previews": "evaluation.previews",
        "patches": "evaluation.theory_patches",
    }


if __name__ == "__main__":
    with_plan(tell, sys.argv[1:])
