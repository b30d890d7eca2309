"""Keep some patches of a dataset, or their rain, beside what is kept of its past."""

from derain.errors import exit_in_one_line
from derain.files import tensors
from derain.method.memory import POOL, chosen, kept
from derain.training.job import MEMORY, Job

with exit_in_one_line(snakemake.log[0]):
    job = Job(snakemake.params.spec, [(snakemake.input.table, snakemake.input.pixels)], snakemake.config)
    section = job.spec["memory"]
    past, _ = tensors.read(snakemake.input.past[0]) if snakemake.input.past else ({}, {})
    pool = job.batches(MEMORY, POOL * section["patches"])
    rainy, clean = pool[0]
    mine = chosen(section["select"], rainy, clean, section["patches"], pool.seed)
    new = {snakemake.wildcards.dataset: kept(section["keep"], rainy[mine], clean[mine])}
    tensors.write(snakemake.output[0], past | new, job.spec)
