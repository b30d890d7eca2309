"""Write the findings on a dataset's files and a summary of each split, with the scores of its rainy images."""

from pathlib import Path

from derain.data.findings import read_findings, write_findings
from derain.data.store import PackedPairs
from derain.errors import exit_in_one_line
from derain.evaluation.dataset_summary import summarise

with exit_in_one_line(snakemake.log[0]):
    files, output = snakemake.input, Path(snakemake.output[0])
    stores = list(zip(files.tables, files.pixels, snakemake.params.pairs, strict=True))
    splits = {split: PackedPairs(stores, split) for split in ("train", "validation", "test")}
    summaries = summarise(splits, snakemake.threads, snakemake.wildcards.dataset, snakemake.params.ssim)
    findings = read_findings(output.with_name("findings.csv"))
    write_findings(output, [*findings, *summaries])
