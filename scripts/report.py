"""Build the page."""

from pathlib import Path

import numpy as np
from derain.data.store import PackedPairs
from derain.errors import exit_in_one_line
from derain.report.page import render
from derain.report.pictures import picture_rows
from derain.tables import read_table

with exit_in_one_line(snakemake.log[0]):
    files = zip(snakemake.params.datasets, snakemake.input.tables, snakemake.input.pixels, strict=True)
    datasets = {name: PackedPairs([(table, pixels)], "test") for name, table, pixels in files}
    outputs = [
        (shown["caption"], {key: image for path in shown["files"] for key, image in np.load(path).items()})
        for shown in snakemake.params.shown
    ]
    rows = list(picture_rows(datasets, outputs, snakemake.config["evaluation"]["previews"]))
    rounding = snakemake.params.rounding
    matrix, continual = (
        table[table["rounding"] == rounding]
        for table in (read_table(snakemake.input.matrix), read_table(snakemake.input.continual))
    )
    optional = ("strengths", "theory", "correlations")  # empty lists where the experiment makes none
    made = {name: read_table(snakemake.input[name][0]) for name in optional if snakemake.input[name]}
    page = render(matrix, continual, rows, rounding, **made)
    Path(snakemake.output[0]).write_text(page, encoding="utf-8")
