"""Correlations between changes of losses and the predictions of the theory (NR, Eqs. 5–8)."""

from collections.abc import Iterable

import pandas as pd

from derain.evaluation.gathered import gather
from derain.evaluation.source import Source


def of_stages(sources: Iterable[Source]) -> pd.DataFrame:
    """`correlations` over all stages. sources: stages, each with its theory.csv."""
    return correlations(gather(sources))


def correlations(theory: pd.DataFrame) -> pd.DataFrame:
    """Correlations of the actual change |ΔL| of old losses with |∇LᵀΔ| and with Σ Ω|Δ|, by method and over all methods.

    One row for each method and predictor: n (stages × earlier datasets), pearson, spearman (both empty for n below 3),
    and ratio, the median of predictor / |ΔL|.
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
