"""Keep some pairs of a dataset beside those of its past."""

import numpy as np
from derain import weights
from derain.errors import exit_in_one_line
from derain.job import MEMORY, Job
from derain.memory import remember

with exit_in_one_line(snakemake.log[0]):
    job = Job(snakemake.params.spec, [(snakemake.input.table, snakemake.input.pixels)], snakemake.config)
    patches = job.spec["memory"]["patches"]
    past, _ = weights.read(snakemake.input.past[0]) if snakemake.input.past else ({}, {})
    rainy, clean = job.batches(MEMORY, patches)[0]
    pairs = np.rint(np.stack([rainy, clean], axis=1) * 255).astype(np.uint8)
    weights.write(snakemake.output[0], remember(past, snakemake.wildcards.dataset, pairs, patches), job.spec)
