"""Tables of single stages put together."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from derain.curriculum import in_tables


def gather(paths: Iterable[str], places: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows of all files, each behind the network, seed, method and datasets (as `in_tables`) of its stage."""
    parts = []
    for path, place in zip(paths, places, strict=True):
        part = pd.read_csv(path)
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
