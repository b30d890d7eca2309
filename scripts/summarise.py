"""Gather the scores of all stages: per image, as the matrix R, as continual-learning metrics."""

import pandas as pd
from derain.continual import continual_table, matrix_table, summary_table
from derain.curriculum import in_tables
from derain.errors import exit_in_one_line

with exit_in_one_line(snakemake.log[0]):
    parts = []
    for path, place in zip(snakemake.input.scores, snakemake.params.stages, strict=True):
        columns = {"network": place["network"], "seed": place["seed"], "method": place["method"]}
        parts.append(pd.read_csv(path).assign(**columns, datasets=in_tables(place["datasets"])))
    scores = pd.concat(parts, ignore_index=True)
    rainy = pd.concat([pd.read_csv(path) for path in snakemake.input.rainy], ignore_index=True)
    places = ["network", "seed", "method", "datasets"]
    scores = scores[[*places, *scores.columns.drop(places)]].merge(
        rainy, on=["dataset", "image"], suffixes=("", "_rainy"), validate="many_to_one"
    )
    scores.to_csv(snakemake.output.scores, index=False)

    tables: dict[str, list[pd.DataFrame]] = {"matrix": [], "continual": [], "summary": []}
    for rounding in snakemake.params.rounding:
        rounded = scores[scores["rounding"] == rounding]
        matrix = matrix_table(rounded, rainy, snakemake.params.methods, snakemake.params.orders)
        continual = continual_table(matrix)
        found = {"matrix": matrix, "continual": continual, "summary": summary_table(continual)}
        for name, table in found.items():
            table.insert(0, "rounding", rounding)
            tables[name].append(table)
    for name, of_each in tables.items():
        pd.concat(of_each).to_csv(snakemake.output[name], index=False, float_format="%.6f")
