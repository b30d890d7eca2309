"""One shard of Ω: the sum of |∂L/∂θ| over every `shards`-th of the training patches that the expectation takes."""

from derain import weights
from derain.errors import exit_in_one_line
from derain.importance import importance_sum
from derain.job import IMPORTANCE, Job
from derain.losses import LOSSES

with exit_in_one_line(snakemake.log[0]):
    job = Job(snakemake.params.spec, [(snakemake.input.table, snakemake.input.pixels)], snakemake.config)
    section, shard = job.spec["importance"], int(snakemake.wildcards.shard)
    patches = job.batches(IMPORTANCE, size=1)
    mine = (patches[n] for n in range(shard, section["patches"], section["shards"]))
    sums, samples = importance_sum(job.network(snakemake.input.theta), mine, LOSSES[job.recipe.loss])
    weights.write(snakemake.output[0], {name: part.cpu().numpy() for name, part in sums.items()}, {"samples": samples})
