"""Draw the charts of the page for a paper: vector graphics, one file for each network and order."""

from pathlib import Path

import vl_convert
from derain.errors import exit_in_one_line
from derain.report.figures import Figures
from derain.report.gathered import read_tables

with exit_in_one_line(snakemake.log[0]):
    tables = read_tables(snakemake.input, snakemake.params.rounding)
    folder = Path(snakemake.output.svg[0]).parent
    for figure in Figures(tables, snakemake.params.importances).on_paper():
        specification = figure.on_paper
        svg: str = vl_convert.vegalite_to_svg(specification)
        (folder / f"{figure.name}.svg").write_text(svg, encoding="utf-8")
        (folder / f"{figure.name}.pdf").write_bytes(vl_convert.svg_to_pdf(svg))
