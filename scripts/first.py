"""Train θ on a first dataset (no past, no penalty: every method starts from here), or on several at once (joint)."""

from derain.errors import exit_in_one_line
from derain.plan.stagestore import share
from derain.training.job import TRAINING, Job
from derain.training.stage import train_stage


def stage() -> None:
    """In every process of the job."""
    # The path decides nothing; the digest of its bytes stands in the spec.
    given = snakemake.config["networks"][snakemake.wildcards.network]["initial_weights"]
    files = (snakemake.output.theta, snakemake.output.table, snakemake.log[0])
    batches, runtime = job.batches(TRAINING, job.recipe.batch), snakemake.resources.get("runtime")
    train_stage(job, job.network(given), batches, {}, {}, *files, runtime)


with exit_in_one_line(snakemake.log[0]):
    stores = list(zip(snakemake.input.tables, snakemake.input.pixels, strict=True))
    job = Job(snakemake.params.spec, stores, snakemake.config)
    job.together(stage, snakemake.log[0])
    share(snakemake.params.entry, snakemake.output, snakemake.log[0])
