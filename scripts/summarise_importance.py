"""Gather where importance sits, over all stages whose Ω is in use."""

from derain.errors import exit_in_one_line
from derain.evaluation.layers import importance_tables

with exit_in_one_line(snakemake.log[0]):
    omegas = zip(snakemake.params.omegas, snakemake.input, strict=True)
    for name, table in importance_tables(omegas).items():
        table.to_csv(snakemake.output[name], index=False, float_format="%.6g")
