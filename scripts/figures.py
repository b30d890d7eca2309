"""Draw the charts of the page for a paper as SVG and PDF, one file for each network and order."""

from pathlib import Path

import vl_convert
from derain.errors import as_job
from derain.report.figures import Figures
from derain.report.tables import read_tables

with as_job(snakemake.log[0]):
    params, output = snakemake.params, snakemake.output
    tables = read_tables(snakemake.input, params.rounding)
    figures = Figures(tables, params.importances, params.titles, params.learned, params.seed)
    for wanted, svg_file, pdf_file in zip(params.figures, output.svg, output.pdf, strict=True):
        specification = figures.on_paper(wanted["chart"], wanted["network"], wanted["order"]).on_paper
        svg: str = vl_convert.vegalite_to_svg(specification)
        Path(svg_file).write_text(svg, encoding="utf-8")
        Path(pdf_file).write_bytes(vl_convert.svg_to_pdf(svg))
