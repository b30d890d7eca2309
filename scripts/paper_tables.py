"""Write the verdict as CSV, and tables for a paper as LaTeX (booktabs)."""

from pathlib import Path

from derain.errors import as_job
from derain.report import latex
from derain.report.tables import read_tables
from derain.report.verdict import verdict

with as_job(snakemake.log[0]):
    files = snakemake.input
    each = [files.scores, files.matrix, files.continual, files.summary, *files.chord]
    tables = read_tables(each, snakemake.params.rounding)
    judged = verdict(tables)
    judged.to_csv(snakemake.output.csv, index=False, float_format="%.6f")
    texts = {
        "verdict": latex.verdict(judged),
        "orders": latex.orders(tables["continual"]),
        "matrix": latex.matrix(tables["matrix"]),
    }
    for name, text in texts.items():
        Path(snakemake.output[name]).write_text(text, encoding="utf-8")
