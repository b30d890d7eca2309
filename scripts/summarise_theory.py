"""Gather the diagnostic of Eqs. 5–8 of all stages."""

from derain.errors import exit_in_one_line
from derain.evaluation.tables import gather, theory_correlations

with exit_in_one_line(snakemake.log[0]):
    theory = gather(snakemake.input, snakemake.params.stages)
    theory.to_csv(snakemake.output.theory, index=False)
    theory_correlations(theory).to_csv(snakemake.output.correlations, index=False, float_format="%.6f")
