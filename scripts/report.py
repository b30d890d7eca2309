"""Build the page."""

from pathlib import Path

from derain.errors import exit_in_one_line
from derain.report import gathered, provenance
from derain.report.page import Content, render
from derain.report.pictures import cards, encoded

with exit_in_one_line(snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    scores = gathered.read_tables([files.scores], params.rounding)["scores"]
    pairs = gathered.test_pairs(params.datasets, files.tables, files.pixels)
    shown = gathered.outputs(params.shown, scores)
    pictures = cards(pairs, gathered.rainy_psnr(files.rainy), shown, snakemake.config["evaluation"]["previews"])
    kept, left_out = encoded(pictures)
    tables = gathered.read_tables(files.results, params.rounding)
    origin = provenance.Provenance(
        config=provenance.as_yaml(snakemake.config),
        datasets=[
            provenance.dataset_line(name, check) for name, check in zip(params.datasets, files.checks, strict=True)
        ],
        places=provenance.made_where(params.thetas),
        versions=provenance.versions(),
        cost=tables.get("cost"),
    )
    page = render(Content(tables, params.rounding, params.importances, kept, left_out, origin))
    Path(snakemake.output[0]).write_text(page, encoding="utf-8")
