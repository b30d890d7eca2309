"""Build the page."""

from pathlib import Path

import numpy as np
import pandas as pd
from derain.data.store import PackedPairs
from derain.errors import exit_in_one_line
from derain.report.page import render
from derain.report.pictures import picture_rows

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
        for table in (pd.read_csv(snakemake.input.matrix), pd.read_csv(snakemake.input.continual))
    )
    optional = ("strengths", "theory", "correlations")  # empty lists where the experiment makes none
    made = {name: pd.read_csv(snakemake.input[name][0]) for name in optional if snakemake.input[name]}
    page = render(matrix, continual, rows, rounding, **made)
    Path(snakemake.output[0]).write_text(page, encoding="utf-8")
