"""Train θⁿ⁺¹ from θⁿ on the next dataset, with the penalty, distillation or memory of the method."""

from derain.errors import as_job
from derain.files.metadata import check
from derain.files.stagestore import record_finished, store_finished
from derain.plan.recipes import TrainingRecipe
from derain.training.job import Job
from derain.training.stage import train_stage

with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    files, params, output, log = snakemake.input, snakemake.params, snakemake.output, snakemake.log[0]
    job = Job(TrainingRecipe(**params.recipe), files.tables, files.pixels, snakemake.config, log)
    parents = {name: file for name, file in files.items() if name not in ("tables", "pixels")}
    made = (output.theta, output.table, log, snakemake.resources.get("runtime"))
    job.together(lambda: train_stage(job, files.theta, parents, *made), log)
    store_finished(params.entry, output, record_finished(output), log)
