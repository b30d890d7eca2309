"""Keep some patches of a dataset, or their rain, beside what is kept of its past."""

from derain import weights
from derain.errors import exit_in_one_line
from derain.job import MEMORY, Job
from derain.memory import POOL, chosen, kept

with exit_in_one_line(snakemake.log[0]):
    job = Job(snakemake.params.spec, [(snakemake.input.table, snakemake.input.pixels)], snakemake.config)
    section = job.spec["memory"]
    past, _ = weights.read(snakemake.input.past[0]) if snakemake.input.past else ({}, {})
    pool = job.batches(MEMORY, POOL * section["patches"])
    rainy, clean = pool[0]
    mine = chosen(section["select"], rainy, clean, section["patches"], pool.seed)
    new = {snakemake.wildcards.dataset: kept(section["keep"], rainy[mine], clean[mine])}
    weights.write(snakemake.output[0], past | new, job.spec)
