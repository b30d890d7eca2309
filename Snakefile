"""Neural Reorganization for de-raining: one network, one parameter set, a growing list of rain datasets.

snakemake --cores all           the experiment of config.yaml, from data to results/report.html
snakemake -n                    what that would do
"""

import json
import subprocess
import sys
from pathlib import Path
from shlex import quote

from snakemake.utils import min_version

min_version("9.0")
sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

from derain.config import schema
from derain.plan.codedigest import code_digest
from derain.run.cost import benchmarks, renew
from derain.run.engine import (
    FOLDER,
    LOCKS,
    escape_environments,
    only_looks,
    prepare,
    remove_default_start_limit,
    set_clocks_right,
)
from derain.errors import UserError, exit_in_one_line
from derain.files.digest import file_digest
from derain.curriculum import FIRST, GIVEN, JOINT, TRAINING_TABLE, paths_of
from derain.run.lock import check_places, lock
from derain.plan.datasets import pixels, rainy_scores, tables
from derain.plan.plan import Plan
from derain.plan.page import PagePlan
from derain.run.pace import Pace
from derain.plan.sources import sources_of
from derain.plan.stagestore import StageStore

# A config file of the user's replaces the embedded one; merged, neither would be what its author wrote.
if not workflow.configfiles:

    configfile: f"{workflow.basedir}/config.yaml"


with exit_in_one_line():
    experiment = schema.read(config)
    pace = Pace(workflow.resource_settings.default_resources)
config.update(experiment.model_dump(mode="json"))  # with the defaults, for the scripts
sources = sources_of(experiment, Path("results/datasets"))
plan = Plan(experiment, sources)
page = PagePlan(plan)
if workflow.is_main_process:
    with exit_in_one_line():
        if (
            quote(sys.executable) != sys.executable
            and not workflow.deployment_settings.deployment_method
        ):  # the engine (9.27) writes it into command lines as it is
            raise UserError(
                f"{sys.executable}: no job can run with Python in a path with a space or the like; make the virtual "
                "environment elsewhere"
            )
        # Held as long as the name lives; a command that only looks is in nobody's way.
        looks = only_looks(workflow)
        check_places([FOLDER, FOLDER / LOCKS, Path("results")], to_write=not looks)
        prepare(looks)
        alone = looks or lock(FOLDER)
        sources.check()
        if not looks:
            renew()
# After the check, which finds the data that recipes name.
store = StageStore(
    experiment.stage_store, plan.made, decided=not workflow.is_main_process
)


wildcard_constraints:
    stage=r"[^/]+/seed\d+/.+",
    network="[^/]+",
    dataset="[^/+]+",
    importance="[^/.]+",
    kind="[^/.]+",
    part="[^/]+",
    use="training|test",
    scale=r"[\d.e+-]+",
    shard=r"\d+",
    shards=r"\d+",


# Seconds each, and in the way of what follows: on a cluster they do not wait in its queue.
localrules:
    accumulate,
    adopt,
    cost,
    gather,
    importance,
    paper_tables,
    put,
    summarise,
    take,
    take_shard,


include: "rules/datasets.smk"
include: "rules/stages.smk"
include: "rules/search.smk"
include: "rules/store.smk"
include: "rules/evaluation.smk"
include: "rules/theory.smk"
include: "rules/cost.smk"
include: "rules/report.smk"


escape_environments(workflow)


onstart:
    remove_default_start_limit(workflow)
    set_clocks_right(workflow)


onerror:
    # A page of what there is and what is missing (docs/page.md). In a process of its own, without a check of its exit
    # status: a fault in it does not hide the error of the run.
    page_command = [sys.executable, f"{workflow.basedir}/scripts/partial.py"]
    finished = subprocess.run(
        [*page_command, "--configfile", "-"],
        input=json.dumps(config),
        capture_output=True,
        text=True,
    )
    print(finished.stdout, end="", file=sys.stderr)


onsuccess:
    Path("results/partial.html").unlink(missing_ok=True)


rule all:
    default_target: True
    input:
        "results/report.html",
        [rules.figures.output, rules.paper_tables.output] if page.figures else [],
        rules.summarise.output,
        rules.cost.output,
        page.table_files,
        plan.checks,
        plan.thetas,  # what is deleted is missed, also where the page is current
        plan.of_all_stages("scores/{part}.csv"),
