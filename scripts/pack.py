"""Build a store of a dataset, of its training or its test pairs, from its manifest."""

from pathlib import Path

from derain.data.packing import list_only, pack
from derain.data.rendered import root_of
from derain.data.samples import USES, read_manifest
from derain.errors import exit_in_one_line

with exit_in_one_line(snakemake.log[0]):
    splits = USES[snakemake.wildcards.use]
    samples = [sample for sample in read_manifest(Path(snakemake.input.manifest)) if sample.split in splits]
    root = root_of(snakemake.config["datasets"][snakemake.wildcards.dataset])
    pixels, table = Path(snakemake.output.pixels), Path(snakemake.output.table)
    if snakemake.params.storage["pack"]:
        pack(samples, root, pixels, table, snakemake.threads)
    else:
        list_only(samples, root, pixels, table)
