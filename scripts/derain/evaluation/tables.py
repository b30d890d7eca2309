"""Tables on disk: read with names as text, and those of single stages put together."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from derain.curriculum import in_tables
from derain.evaluation.metrics import METRICS

# Columns that hold text, whatever the text looks like: a dataset may be called 1400 or NA.
TEXTS = ("network", "method", "datasets", "dataset", "image", "rounding", "order", "learned", "metric")


def read_table(file: Any) -> pd.DataFrame:
    """A table of scores, matrix or metrics from CSV; an empty field is a missing number, and no name is."""
    types = dict.fromkeys(TEXTS, str) | dict.fromkeys(METRICS, float) | {"old_data_bytes": "Int64"}
    return pd.read_csv(file, dtype=types, keep_default_na=False, na_values=[""])


def gather(paths: Iterable[str], places: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows of all files, each behind the network, seed, method and datasets (as `in_tables`) of its stage."""
    parts = []
    for path, place in zip(paths, places, strict=True):
        part = read_table(path)
        part.insert(0, "datasets", in_tables(place["datasets"]))
        for position, key in enumerate(("network", "seed", "method")):
            part.insert(position, key, place[key])
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def theory_correlations(theory: pd.DataFrame) -> pd.DataFrame:
    """How the actual change |ΔL| of old losses goes along with |∇LᵀΔ| and with Σ Ω|Δ|, by method and over all.

    A row for each method and predictor: n (stages × earlier datasets), pearson, spearman (empty below 3), and ratio,
    the median of predictor / |ΔL|.
    """
    rows = []
    groups = [("all", theory), *theory.groupby("method", sort=False)]
    for method, group in groups:
        change = group["change"].abs()
        for name in ("first_order", "bound"):
            predictor = group[name].abs()
            enough = len(group) >= 3
            rows.append(
                {
                    "method": method,
                    "predictor": name,
                    "n": len(group),
                    "pearson": change.corr(predictor) if enough else float("nan"),
                    "spearman": change.rank().corr(predictor.rank()) if enough else float("nan"),
                    "ratio": (predictor / change).median(),
                }
            )
    return pd.DataFrame(rows)
