"""Compare NR's Eqs. 5–8 with the actual change of the loss on every earlier dataset of a stage."""

from pathlib import Path

from derain.errors import as_job
from derain.evaluation.theory import taylor
from derain.files.metadata import check
from derain.files.rows import write_rows
from derain.method.losses import LOSSES
from derain.plan.recipes import TheoryRecipe
from derain.training.job import Job
from derain.training.streams import THEORY

COLUMNS = ["dataset", "loss_then", "loss_now", "change", "first_order", "bound"]

with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    recipe = TheoryRecipe(**snakemake.params.recipe)
    *earlier, now = snakemake.input.thetas
    earlier = [earlier[0]] * (len(recipe.datasets) - len(earlier)) + earlier  # a given first θ has learned several
    files = zip(earlier, snakemake.input.tables, snakemake.input.pixels, strict=True)
    rows = []
    for dataset, (then, table, pixels) in zip(recipe.datasets, files, strict=True):
        pairs = {dataset: recipe.datasets[dataset]}
        of_one = recipe.model_copy(update={"datasets": pairs})
        job = Job(of_one, [table], [pixels], snakemake.config, snakemake.log[0])
        batches = job.batches(THEORY, size=1)
        samples = (batches[n] for n in range(recipe.patches))
        found = taylor(job.network(then), job.network(now), samples, LOSSES[recipe.training.loss])
        rows.append({"dataset": dataset, **found})
    write_rows(Path(snakemake.output[0]), COLUMNS, rows, ".9g")
