"""Gather the scores of all stages: per image, as the matrix R, as continual-learning metrics, in short."""

import pandas as pd
from derain.continual import continual_table, matrix_table, summary_table
from derain.errors import exit_in_one_line
from derain.tables import gather, read_table

with exit_in_one_line(snakemake.log[0]):
    scores = gather(snakemake.input.scores, snakemake.params.stages)
    rainy = pd.concat([read_table(path) for path in snakemake.input.rainy], ignore_index=True)
    matrix = matrix_table(scores, rainy, snakemake.params.methods, snakemake.params.orders)
    continual = continual_table(matrix)
    scores.merge(rainy, on=["dataset", "image"], suffixes=("", "_rainy"), validate="many_to_one").to_csv(
        snakemake.output.scores, index=False
    )
    matrix.to_csv(snakemake.output.matrix, index=False, float_format="%.6f")
    continual.to_csv(snakemake.output.continual, index=False, float_format="%.6f")
    summary_table(continual).to_csv(snakemake.output.summary, index=False, float_format="%.6f")
