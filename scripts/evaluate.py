"""Score the network of a stage on the test images of datasets, and keep some outputs to look at."""

from functools import partial

import numpy as np
from derain.checkpoint import discard
from derain.data.store import PackedPairs
from derain.errors import exit_in_one_line
from derain.inference import clamped_output
from derain.networks import network_on
from derain.scores import score_outputs, write_scores

with exit_in_one_line(snakemake.log[0]):
    discard([snakemake.input.theta])
    spec, settings = snakemake.params.spec, snakemake.config
    network = network_on(settings["device"], spec["network"], spec["threads"], snakemake.input.theta)
    rows, previews = [], {}
    files = zip(snakemake.input.tables, snakemake.input.pixels, strict=True)
    for dataset, store in zip(spec["datasets"], files, strict=True):
        pairs = PackedPairs([store], "test")
        scored, shown = score_outputs(
            dataset, pairs, partial(clamped_output, network), spec["rounding"], spec["previews"]
        )
        rows += scored
        previews |= shown
    write_scores(snakemake.output.scores, rows)
    np.savez_compressed(snakemake.output.previews, **previews)
