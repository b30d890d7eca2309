"""Compute one shard of Ω: the sum of |∂L/∂θ| over every `shards`-th sample of the expectation."""

from derain.errors import as_job
from derain.files import tensors
from derain.files.metadata import check
from derain.files.stagestore import record_finished, store_finished
from derain.method.importance import objective
from derain.plan.recipes import ImportanceRecipe
from derain.training.importance import importance_sum
from derain.training.job import Job
from derain.training.processes import rank
from derain.training.streams import IMPORTANCE


def shard_of_omega() -> None:
    """Compute the shard; runs in every process of the job, and rank 0 writes the file."""
    section, shard = job.recipe.importance, int(snakemake.wildcards.shard)
    size = 1 if section.per == "sample" else job.recipe.training.batch
    batches = job.batches(IMPORTANCE, size)
    mine = range(shard, section.patches // size, section.shards)
    loss = objective(section.of, job.recipe.training.loss)
    network, output = job.network(files.theta), snakemake.output[0]
    decided_by, runtime = job.decided_by({"theta": files.theta}), snakemake.resources.get("runtime")
    with job.resumed(output, decided_by, network, snakemake.log[0], runtime) as checkpoint:
        left = (batches[n] for n in mine[checkpoint.done :])
        sums, count = importance_sum(network, left, loss, section.power, checkpoint)
        if rank() == 0:
            arrays = {name: part.cpu().numpy() for name, part in sums.items()}
            tensors.write(output, arrays, decided_by | {"count": count})


with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    files, log = snakemake.input, snakemake.log[0]
    job = Job(ImportanceRecipe(**snakemake.params.recipe), files.tables, files.pixels, snakemake.config, log)
    job.together(shard_of_omega, log)
    store_finished(snakemake.params.entry, snakemake.output, record_finished(snakemake.output), log)
