"""Neural Reorganization for de-raining: one network, one parameter set, a growing list of rain datasets.

snakemake --cores all           the experiment of config.yaml, from data to results/report.html
snakemake -n                    dry run: the jobs that this would run
"""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from shlex import quote

from snakemake.utils import min_version

min_version("9.0")
# Recipes contain digests of this clone's code, so the run and its jobs import this clone's library, whichever is
# installed: PYTHONPATH comes before installed packages. derain/__init__.py checks it in every process.
library = Path(workflow.basedir).resolve() / "scripts/derain"
paths = [
    str(library.parent),
    *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)),
]
os.environ.update(
    DERAIN_LIBRARY=str(library), PYTHONPATH=os.pathsep.join(dict.fromkeys(paths))
)
sys.path.insert(0, str(library.parent))

from derain.engine import FOLDER, LOCKS
from derain.engine.command import check_container, only_looks
from derain.engine.corrections import (
    escape_environments,
    remove_default_start_limit,
    set_clocks_right,
)
from derain.engine.dag import Dag, planned_outputs
from derain.engine.inputs import by_digest
from derain.engine.outputs import check_outputs
from derain.engine.records import (
    check_records,
    read_records_only,
    write_readable_records,
)
from derain.engine.slurm import correct_slurm_executor
from derain.config.experiment import read_experiment
from derain.config.reading import check_files
from derain.plan.networks import check_networks
from derain.plan.codedigest import code_digest, look_digests
from derain.run.cost import benchmarks, renew
from derain.files.leftovers import left
from derain.run.replaced import replaced_networks, replaced_page
from derain.errors import UserError, exit_in_one_line
from derain.curriculum import (
    FIRST,
    GIVEN,
    JOINT,
    NOTHING,
    SCORES,
    STAGE_PATH,
    THEORY_TABLE,
    THETA,
)
from derain.method.ingredients import STATES
from derain.run.lock import lock, write_where_free
from derain.run.places import check_places, check_regular
from derain.plan.earlier import refuse_earlier
from derain.plan.datasets import pixels, rainy_scores, tables, threads
from derain.plan.artifacts import SHARDS, TRAININGS
from derain.plan.plan import Plan
from derain.plan.planned import last_config, read_planned, save_planned
from derain.plan.page import COMPARISON, DERIVED, DRAWN, PagePlan
from derain.run.pace import Pace
from derain.plan.sources import sources_of
from derain.plan.stagestore import StageStore
from derain.plan.urgency import QUICK, Urgency
from derain.restoration.photographs import RECORD
from derain.restoration.planned import PlannedPhotographs

embedded = f"{workflow.basedir}/config.yaml"

with exit_in_one_line():
    if workflow.is_main_process:
        # Before Snakemake reads config.yaml, because it runs the code of a template.
        check_files(
            workflow.configfiles or [embedded],
            workflow.config_settings.config_args or (),
        )

# A config file given by the user replaces config.yaml. Snakemake would merge them, which mixes two experiments.
if not workflow.configfiles:

    configfile: embedded


with exit_in_one_line():
    # A job uses the config and digests that the run has planned, even if the config and the data have changed since.
    planned = (config, None) if workflow.is_main_process else read_planned()
    experiment = read_experiment(planned[0])
    sources = sources_of(experiment, Path("results/datasets"), planned[1])
    pace = Pace(workflow.resource_settings.default_resources)
config.update(experiment.model_dump(mode="json"))  # adds defaults, for the scripts
plan = Plan(experiment, sources)
urgency = Urgency(
    plan.stages, {name: method.passes for name, method in experiment.methods.items()}
)
page = PagePlan(plan)
photographs = PlannedPhotographs(
    experiment.photographs.files if experiment.photographs else (),
    Path(page.folder, "photographs.json"),
    planned[1],
)
if workflow.is_main_process:
    looks = only_looks(workflow)

    with exit_in_one_line():
        if (
            quote(sys.executable) != sys.executable
            and not workflow.deployment_settings.deployment_method
        ):  # Snakemake (9.27) does not quote it in command lines
            raise UserError(
                f"{sys.executable}: no job can run with Python in a path with a space or the like; make the virtual "
                "environment elsewhere"
            )
        check_container(workflow, experiment.container)
        # The lock is held while the variable `alone` exists. A command that only looks takes no lock.
        check_places([FOLDER, FOLDER / LOCKS, Path("results")], to_write=not looks)
        check_regular(Path("results"), experiment.datasets, RECORD)
        check_records()
        if looks:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # ends silently in `| head`
            read_records_only()
        else:
            write_readable_records()
        correct_slurm_executor(pace.capped)
        check_outputs()
        alone = looks or lock(FOLDER)
        refuse_earlier(plan.thetas)
        write = partial(write_where_free, looks, FOLDER)
        sources.check(write)
        check_networks(experiment, sources, Path("results/networks"), write)
        photographs.check(write)
        before = last_config()
        if not looks:
            save_planned(config, sources.digests | photographs.digests)
            renew()
# After sources.check, which examines the data whose digests are in the recipes.
store = StageStore(
    experiment.stage_store, plan.made, decided=not workflow.is_main_process
)


if experiment.container:

    container: experiment.container


wildcard_constraints:
    stage=STAGE_PATH,
    network="[^/]+",
    dataset="[^/+]+",
    importance="[^/.]+",
    part="[^/]+",
    use="training|test",
    scale=r"[\d.e+-]+",
    alpha=r"[\d.e+-]+",
    shard=r"\d+",
    shards=r"\d+",


# Each takes seconds, and other jobs wait for it, so on a cluster they run locally instead of in the queue.
localrules:
    accumulate,
    adopt,
    check,
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
include: "rules/photographs.smk"
include: "rules/theory.smk"
include: "rules/cost.smk"
include: "rules/report.smk"


escape_environments(workflow)


onstart:
    dag = Dag(workflow)
    made = [*rules.report.output, *page.derived]
    for line in (
        replaced_networks(dag.reasons, before, config),
        replaced_page(dag.jobs, made[0], left(Path(page.folder), DERIVED, made)),
    ):
        if line:
            print(f"notice: {line}", file=sys.stderr)
    remove_default_start_limit(workflow)
    set_clocks_right(workflow)


onerror:
    # Writes a page of existing and missing results (docs/reference/page.md). It runs in a process of its own whose exit
    # status is ignored, so that a fault in it does not hide the error of the run. It starts in scripts/, so that it
    # imports this clone's library.
    page_command = [sys.executable, "-m", "derain", "page"]
    finished = subprocess.run(
        [*page_command, "--configfile", "-", "--directory", Path.cwd()],
        cwd=library.parent,
        input=json.dumps(config),
        capture_output=True,
        text=True,
    )
    print(finished.stdout, end="", file=sys.stderr)


onsuccess:
    Path(f"{page.folder}/partial.html").unlink(missing_ok=True)
    if rules.report.output[0] in planned_outputs(workflow):
        print(f"The page: {rules.report.output[0]}", file=sys.stderr)


rule all:
    default_target: True
    input:
        rules.report.output,
        [rules.figures.output, rules.paper_tables.output] if page.figures else [],
        rules.summarise.output,
        rules.cost.output,
        page.table_files,
        plan.checks,
        plan.contact_sheets,
        page.comparisons,
        # So that a deleted file is made again even if the page is current:
        plan.thetas,
        plan.of_all_stages(SCORES),
        [
            page.files_of(table)
            for table in ("training", "theory", "chord")
            if table in page.tables
        ],
