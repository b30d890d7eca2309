"""Puts tables of single stages together."""

from collections.abc import Iterable

import pandas as pd

from derain.curriculum import in_tables
from derain.evaluation.reading import read_table
from derain.evaluation.source import Source


def gather(sources: Iterable[Source]) -> pd.DataFrame:
    """The rows of all files, with network, seed, method and datasets (as `in_tables`) of the stage as first columns."""
    parts = []
    for place, files in sources:
        for file in files:
            part = read_table(file)
            part.insert(0, "datasets", in_tables(place["datasets"]))
            for position, key in enumerate(("network", "seed", "method")):
                part.insert(position, key, place[key])
            parts.append(part)
    return pd.concat(parts, ignore_index=True)
