"""Compute one shard of Ω: the sum of |∂L/∂θ| over every `shards`-th sample of the expectation."""

from derain.errors import as_job
from derain.files.metadata import check
from derain.files.stagestore import record_finished, store_finished
from derain.plan.recipes import ImportanceRecipe
from derain.training.importance import write_shard
from derain.training.job import Job

with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    files, params, output, log = snakemake.input, snakemake.params, snakemake.output, snakemake.log[0]
    job = Job(ImportanceRecipe(**params.recipe), files.tables, files.pixels, snakemake.config, log)
    made = (int(snakemake.wildcards.shard), files.theta, output[0], log, snakemake.resources.get("runtime"))
    job.together(lambda: write_shard(job, *made), log)
    store_finished(params.entry, output, record_finished(output), log)
