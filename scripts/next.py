"""Train θⁿ⁺¹ from θⁿ on the next dataset, held by what the method takes from the past."""

from derain.errors import exit_in_one_line
from derain.plan.stagestore import share
from derain.training.ingredients import batches, ingredients
from derain.training.job import Job
from derain.training.stage import train_stage


def stage() -> None:
    """In every process of the job."""
    # Named inputs that a method does not need are empty lists.
    past = {kind: files[0] for kind in ("omega", "memory") if (files := snakemake.input[kind])}
    network = job.network(snakemake.input.theta)
    terms = ingredients(network, job, past)
    parents = {"theta": snakemake.input.theta} | past
    files = (snakemake.output.theta, snakemake.output.table, snakemake.log[0])
    train_stage(job, network, batches(job, past), terms, parents, *files, snakemake.resources.get("runtime"))


with exit_in_one_line(snakemake.log[0]):
    job = Job(snakemake.params.spec, [(snakemake.input.table, snakemake.input.pixels)], snakemake.config)
    job.together(stage, snakemake.log[0])
    share(snakemake.params.entry, snakemake.output, snakemake.log[0])
