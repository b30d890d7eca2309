"""Train θⁿ⁺¹ from θⁿ on the next dataset, held by the method's penalty and distillation."""

from derain.errors import exit_in_one_line
from derain.job import Job
from derain.method import ingredients
from derain.stage import train_stage

with exit_in_one_line(snakemake.log[0]):
    job = Job(snakemake.params.spec, [(snakemake.input.table, snakemake.input.pixels)], snakemake.config)
    network = job.network(snakemake.input.theta)
    parents = {"theta": snakemake.input.theta} | dict(zip(["omega"], snakemake.input.omega, strict=False))
    terms = ingredients(network, job.spec, parents.get("omega"))
    train_stage(job, network, terms, parents, snakemake.output.theta, snakemake.output.table, snakemake.log[0])
