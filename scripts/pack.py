"""Decode a dataset once into its packed store."""

from pathlib import Path

from derain.data.samples import samples
from derain.data.store import pack
from derain.errors import exit_in_one_line

with exit_in_one_line(snakemake.log[0]):
    pack(samples(snakemake.params.dataset), Path(snakemake.output.pixels), Path(snakemake.output.table))
