"""Train θ on a first dataset (no past, no penalty: every method starts from here), or on several at once (joint)."""

from derain.errors import exit_in_one_line
from derain.job import TRAINING, Job
from derain.stage import train_stage

with exit_in_one_line(snakemake.log[0]):
    stores = list(zip(snakemake.input.tables, snakemake.input.pixels, strict=True))
    job = Job(snakemake.params.spec, stores, snakemake.config)
    # The path decides nothing; the digest of its bytes stands in the spec.
    given = snakemake.config["networks"][snakemake.wildcards.network]["initial_weights"]
    files = (snakemake.output.theta, snakemake.output.table, snakemake.log[0])
    train_stage(job, job.network(given), job.batches(TRAINING, job.recipe.batch), {}, {}, *files)
