"""Build the page."""

from pathlib import Path

from derain.errors import exit_in_one_line
from derain.report import gathered
from derain.report.page import Content, render
from derain.report.pictures import cards, encoded
from derain.report.provenance import provenance

with exit_in_one_line(snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    scores = gathered.read_tables([files.scores], params.rounding)["scores"]
    pairs = gathered.test_pairs(params.datasets, files.tables, files.pixels)
    shown = gathered.outputs(params.shown, scores)
    pictures = cards(pairs, gathered.rainy_psnr(files.rainy), shown, snakemake.config["evaluation"]["previews"])
    kept, left_out = encoded(pictures)
    tables = gathered.read_tables(files.results, params.rounding)
    checks = zip(params.datasets, files.checks, strict=True)
    origin = provenance(snakemake.config, checks, params.thetas, tables["cost"])
    page = render(Content(tables, params.rounding, params.importances, kept, left_out, origin))
    Path(snakemake.output[0]).write_text(page, encoding="utf-8")
