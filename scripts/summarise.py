"""Gather the scores of all stages: per image, as the matrix R, as continual-learning metrics."""

import pandas as pd
from derain.continual import continual_table, matrix_table, read_table
from derain.errors import exit_in_one_line

with exit_in_one_line(snakemake.log[0]):
    parts = []
    for path, place in zip(snakemake.input.scores, snakemake.params.stages, strict=True):
        columns = {"network": place["network"], "seed": place["seed"], "method": place["method"]}
        parts.append(read_table(path).assign(**columns, datasets=">".join(place["datasets"])))
    scores = pd.concat(parts, ignore_index=True)
    rainy = pd.concat([read_table(path) for path in snakemake.input.rainy], ignore_index=True)
    matrix = matrix_table(scores, rainy, snakemake.params.methods, snakemake.params.orders)
    places = ["network", "seed", "method", "datasets"]
    scores = scores[[*places, *scores.columns.drop(places)]].merge(
        rainy, on=["dataset", "image"], suffixes=("", "_rainy"), validate="many_to_one"
    )
    scores.to_csv(snakemake.output.scores, index=False)
    matrix.to_csv(snakemake.output.matrix, index=False, float_format="%.6f")
    continual_table(matrix).to_csv(snakemake.output.continual, index=False, float_format="%.6f")
