"""Reads tables of results; columns of names stay text."""

from typing import Any

import pandas as pd

from derain.errors import UserError, shown
from derain.evaluation.metrics import METRICS

# Text columns, even if the text looks like a number: a dataset may be called 1400 or NA.
TEXTS = (
    *("network", "method", "datasets", "dataset", "image", "rounding", "order", "learned", "metric", "importance"),
    *("layer", "earlier", "predictor", "quantity", "worst_order", "rule"),
)


def read_table(file: Any) -> pd.DataFrame:
    """Read a table of scores, matrix or metrics from CSV. Only an empty field is a missing value; "NA" is a name.

    Raises UserError, with the name of the file, if it cannot be read as such a table.
    """
    types = dict.fromkeys(TEXTS, str) | dict.fromkeys(METRICS, float) | {"old_data_bytes": "Int64"}
    try:
        return pd.read_csv(file, dtype=types, keep_default_na=False, na_values=[""])
    except (ValueError, OSError) as error:  # empty, cut, not UTF-8, text where numbers belong
        raise UserError(
            f"{shown(str(file))}: cannot be read as a table ({shown(' '.join(str(error).split()))})"
        ) from error
