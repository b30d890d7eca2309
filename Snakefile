"""Neural Reorganization for de-raining: one network, one parameter set, a growing list of rain datasets.

snakemake --cores all           the experiment of config.yaml, from data to results/report.html
snakemake -n                    what that would do
"""

import json
import subprocess
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")
sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

from derain.config import schema
from derain.plan.codedigest import code_digest
from derain.run.cost import benchmarks, renew
from derain.errors import exit_in_one_line
from derain.files.digest import file_digest
from derain.data.sources import Sources
from derain.plan.lineage import Lineage
from derain.run.lock import lock
from derain.plan.plan import Plan, in_stage, pixels, rainy_scores, tables, to_stage
from derain.plan.page import PagePlan
from derain.run.pace import Pace
from derain.plan.stagestore import StageStore

# A config file of the user's replaces the embedded one; merged, neither would be what its author wrote.
if not workflow.configfiles:

    configfile: f"{workflow.basedir}/config.yaml"


with exit_in_one_line():
    experiment = schema.read(config)
    pace = Pace(workflow.resource_settings.default_resources)
config.update(experiment.model_dump(mode="json"))  # with the defaults, for the scripts
sources = Sources(experiment, Path("results/datasets"))
plan = Plan(experiment, sources)
page = PagePlan(plan)
lineage = Lineage(plan)
store = StageStore(
    experiment.stage_store, lineage, decided=not workflow.is_main_process
)
if workflow.is_main_process:
    with exit_in_one_line():
        # Held as long as the name lives; a dry run is in nobody's way.
        alone = workflow.output_settings.dryrun or lock(Path(".snakemake"))
        sources.check()
        renew()


wildcard_constraints:
    network="[^/]+",
    seed=r"\d+",
    method="(?!first/|joint/|given/)[^/]+",
    dataset="[^/+]+",
    past="[^/+]+(/[^/+]+)*",
    datasets=r"[^/+]+(\+[^/+]+)+",
    importance="[^/.]+",
    memory="[^/.]+",
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


onstart:
    # With its limit of job starts, the engine (9.27) looks at all jobs that are ready once a second more for every job
    # that has ended (snakemake #2967): after 300 jobs that takes half a core. It stays where somebody has set it.
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


onerror:
    # A page of what there is and what is missing (docs/page.md). It has no say in how a failed run ends.
    partial = f"{workflow.basedir}/scripts/partial.py"
    made = subprocess.run(
        [sys.executable, partial, "--configfile", "-"],
        input=json.dumps(config),
        capture_output=True,
        text=True,
    )
    print(made.stdout, end="", file=sys.stderr)


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
