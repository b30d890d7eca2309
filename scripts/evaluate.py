"""Score the network of a stage on the test images of datasets, and keep some outputs to look at."""

from functools import partial

import numpy as np
from derain.data.store import PackedPairs
from derain.errors import exit_in_one_line
from derain.inference import restore
from derain.networks import network_on
from derain.scores import score_images, write_scores

with exit_in_one_line(snakemake.log[0]):
    spec, settings = snakemake.params.spec, snakemake.config
    network = network_on(settings["device"], spec["network"], spec["threads"], snakemake.input.theta)
    rows, previews = [], {}
    files = zip(snakemake.input.tables, snakemake.input.pixels, strict=True)
    for dataset, (table, pixels) in zip(spec["datasets"], files, strict=True):
        pairs = PackedPairs([(table, pixels)], "test")
        rows += score_images(dataset, pairs, partial(restore, network))
        for n in range(min(spec["previews"], len(pairs))):
            previews[f"{dataset}/{n}"] = restore(network, pairs[n][0])
    write_scores(snakemake.output.scores, rows)
    np.savez_compressed(snakemake.output.previews, **previews)
