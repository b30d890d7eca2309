"""Build the store of a dataset's training pairs or test pairs from its manifest."""

from pathlib import Path

from derain.data.packing import list_only, pack
from derain.data.roots import root_of
from derain.data.samples import USES, read_manifest
from derain.data.store import pairs_digest
from derain.errors import UserError, as_job

with as_job(snakemake.log[0]):
    splits = USES[snakemake.wildcards.use]
    pixels, table = Path(snakemake.output.pixels), Path(snakemake.output.table)
    manifest = table.parent.with_name("manifest.csv")
    samples = [sample for sample in read_manifest(manifest) if sample.split in splits]
    if pairs_digest(samples) != snakemake.params.pairs:
        raise UserError(f"{manifest}: changed since this run began; run again")
    root = root_of(snakemake.config["datasets"][snakemake.wildcards.dataset])
    source = snakemake.input
    layers = list(zip(source.tables, source.pixels, snakemake.params.layers, strict=True)) if source else []
    if snakemake.params.storage["pack"]:
        pack(samples, root, pixels, table, snakemake.threads, layers)
    else:
        list_only(samples, root, pixels, table)
