"""Gather the scores of all stages: per image, as the matrix R, as continual-learning metrics, in short."""

import pandas as pd
from derain.continual import continual_table, matrix_table, summary_table
from derain.errors import exit_in_one_line
from derain.tables import gather, read_table

with exit_in_one_line(snakemake.log[0]):
    scores = gather(snakemake.input.scores, snakemake.params.stages)
    rainy = pd.concat([read_table(path) for path in snakemake.input.rainy], ignore_index=True)
    scores.merge(rainy, on=["dataset", "image"], suffixes=("", "_rainy"), validate="many_to_one").to_csv(
        snakemake.output.scores, index=False
    )

    tables: dict[str, list[pd.DataFrame]] = {"matrix": [], "continual": [], "summary": []}
    for rounding in snakemake.params.rounding:
        rounded = scores[scores["rounding"] == rounding]
        matrix = matrix_table(rounded, rainy, snakemake.params.methods, snakemake.params.orders)
        continual = continual_table(matrix, snakemake.params.memory_bytes)
        found = {"matrix": matrix, "continual": continual, "summary": summary_table(continual)}
        for name, table in found.items():
            table.insert(0, "rounding", rounding)
            tables[name].append(table)
    for name, of_each in tables.items():
        pd.concat(of_each).to_csv(snakemake.output[name], index=False, float_format="%.6f")
