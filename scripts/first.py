"""Train θ on a first dataset (no penalty; all methods share this θ), or on several datasets at once (joint)."""

from derain.errors import as_job
from derain.files.stagestore import record_finished, store_finished
from derain.plan.recipes import TrainingRecipe
from derain.training.job import Job
from derain.training.stage import train_stage

with as_job(snakemake.log[0]):
    files, params, output, log = snakemake.input, snakemake.params, snakemake.output, snakemake.log[0]
    job = Job(TrainingRecipe(**params.recipe), files.tables, files.pixels, snakemake.config, log)
    made = (output.theta, output.table, log, snakemake.resources.get("runtime"))
    job.together(lambda: train_stage(job, params.weights, {}, *made), log)
    store_finished(params.entry, output, record_finished(output), log)
