"""Compare NR's Eqs. 5–8 with the actual change of the loss on every earlier dataset of a stage."""

from pathlib import Path

from derain.errors import as_job
from derain.files.metadata import check
from derain.files.rows import write_rows
from derain.plan.recipes import TheoryRecipe
from derain.training.theory import COLUMNS, theory_rows

with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    files, recipe = snakemake.input, TheoryRecipe(**snakemake.params.recipe)
    rows = theory_rows(recipe, files.thetas, files.tables, files.pixels, snakemake.config, snakemake.log[0])
    write_rows(Path(snakemake.output[0]), COLUMNS, rows, ".9g")
