"""Write the findings on a dataset's files and a summary of each split, with the scores of its rainy images, and a
contact sheet.
"""

from pathlib import Path

from derain.data.findings import read_findings, write_findings
from derain.data.store import PackedPairs
from derain.errors import as_job
from derain.evaluation.contact_sheet import contact_sheet
from derain.evaluation.dataset_summary import summarise
from derain.files.atomic import write_whole

with as_job(snakemake.log[0]):
    files, output = snakemake.input, Path(snakemake.output.table)
    stores = list(zip(files.tables, files.pixels, snakemake.params.pairs, strict=True))
    splits = {split: PackedPairs(stores, split) for split in ("train", "validation", "test")}
    summaries = summarise(splits, snakemake.threads, snakemake.wildcards.dataset, snakemake.params.ssim)
    findings = read_findings(output.with_name("findings.csv"))
    write_findings(output, [*findings, *summaries])
    write_whole(snakemake.output.sheet, contact_sheet(splits))
