"""Gather the scores of all stages: per image, as the matrix R, as continual-learning metrics, in short."""

import pandas as pd
from derain.errors import exit_in_one_line
from derain.evaluation.continual import tables_by_rounding
from derain.evaluation.tables import gather, read_table

with exit_in_one_line(snakemake.log[0]):
    params = snakemake.params
    scores = gather(snakemake.input.scores, params.stages)
    rainy = pd.concat([read_table(path) for path in snakemake.input.rainy], ignore_index=True)
    scores.merge(rainy, on=["dataset", "image"], suffixes=("", "_rainy"), validate="many_to_one").to_csv(
        snakemake.output.scores, index=False
    )
    tables = tables_by_rounding(scores, rainy, params.rounding, params.methods, params.orders, params.memory_bytes)
    for name, table in tables.items():
        table.to_csv(snakemake.output[name], index=False, float_format="%.6f")
