"""Write the scores of all stages: per image, as matrix R, as continual-learning metrics, and as a summary."""

from pathlib import Path

from derain.errors import as_job, print_and_log
from derain.evaluation.continual import score_tables
from derain.files.leftovers import remove

with as_job(snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    sources = [(stage, [file]) for stage, file in zip(params.stages, files.scores, strict=True)]
    each = zip(params.datasets, files.pairs, files.rainy, strict=True)
    datasets = {name: {"pairs": pairs, "rainy": rainy} for name, pairs, rainy in each}
    tables = score_tables(
        sources, datasets, params.rounding, params.methods, params.orders, params.old_data, params.at_once
    )
    folder = Path(snakemake.output.scores).parents[1]
    if removed := remove(folder, params.drawn):
        print_and_log(f"{folder}: removed files drawn from the previous tables: {removed}", snakemake.log[0])
    for name, table in tables.items():
        digits = None if name == "scores" else "%.6f"
        table.to_csv(snakemake.output[name], index=False, float_format=digits)
