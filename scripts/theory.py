"""Hold NR's Eqs. 5–8 against what happened to every earlier dataset of a stage."""

import csv
from pathlib import Path

from derain.errors import exit_in_one_line
from derain.job import THEORY, Job
from derain.losses import LOSSES
from derain.theory import taylor

COLUMNS = ("dataset", "loss_then", "loss_now", "change", "first_order", "bound")

with exit_in_one_line(snakemake.log[0]):
    spec = snakemake.params.spec
    *earlier, now = snakemake.input.thetas
    files = zip(earlier, snakemake.input.tables, snakemake.input.pixels, strict=True)
    with Path(snakemake.output[0]).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for dataset, (then, table, pixels) in zip(spec["datasets"], files, strict=True):
            job = Job(spec, [(table, pixels)], snakemake.config)
            batches = job.batches(THEORY, size=1)
            samples = (batches[n] for n in range(spec["patches"]))
            found = taylor(job.network(then), job.network(now), samples, LOSSES[job.recipe.loss])
            writer.writerow({"dataset": dataset} | {name: f"{value:.9g}" for name, value in found.items()})
