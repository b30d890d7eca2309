"""Reads tables of results, with names as text."""

from typing import Any

import pandas as pd

from derain.errors import UserError, shown
from derain.evaluation.metrics import METRICS

# Columns that hold text, whatever the text looks like: a dataset may be called 1400 or NA.
TEXTS = (
    *("network", "method", "datasets", "dataset", "image", "rounding", "order", "learned", "metric", "importance"),
    *("layer", "earlier", "predictor", "quantity", "worst_order", "rule"),
)


def read_table(file: Any) -> pd.DataFrame:
    """A table of scores, matrix or metrics from CSV; an empty field is a missing number, and no name is.

    Raises UserError, naming the file, where it is no such table.
    """
    types = dict.fromkeys(TEXTS, str) | dict.fromkeys(METRICS, float) | {"old_data_bytes": "Int64"}
    try:
        return pd.read_csv(file, dtype=types, keep_default_na=False, na_values=[""])
    except (ValueError, OSError) as error:  # empty, cut, not UTF-8, text where numbers belong
        raise UserError(
            f"{shown(str(file))}: cannot be read as a table ({shown(' '.join(str(error).split()))})"
        ) from error
