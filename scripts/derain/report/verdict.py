"""The verdict of an experiment: one small table and one sentence."""

from typing import Any

import numpy as np
import pandas as pd

from derain.curriculum import JOINT
from derain.evaluation.continual import by_datasets

QUANTITIES = ("average", "forgetting", "new_task_gain")
MINUS, DASH = "−", "–"


def verdict(continual: pd.DataFrame, summary: pd.DataFrame, metric: str = "psnr_y_db") -> pd.DataFrame:
    """Return methods × (average, worst order, forgetting, gain of new datasets, bytes of old data), of one rounding.

    continual, summary: tables of derain.evaluation.continual. Columns: network, method; of each quantity its mean over
    orders and seeds, and `_std` over seeds; worst, worst_order: lowest average and its order; old_data_bytes: maximum
    over orders; best_average, best_forgetting ...: whether no other method of the network is better (joint does not
    compete). If orders contain different sets of datasets, each set (column `datasets`) has rows of its own, which are
    compared only with each other.
    """
    rows = summary[summary["metric"] == metric].set_index("quantity")
    continual, sets = by_datasets(continual)
    keys = ["network", "method", *sets]
    table = rows.loc[rows.index == "average", [*keys, "worst", "worst_order"]].reset_index(drop=True)
    for name in QUANTITIES:
        found = rows.loc[rows.index == name, [*keys, "mean", "std"]]
        table = table.merge(found.rename(columns={"mean": name, "std": f"{name}_std"}), how="left", on=keys)
    old = continual.groupby(keys, sort=False)["old_data_bytes"].max().reset_index()
    table = table.merge(old, how="left", on=keys)
    rivals = table[table["method"] != JOINT]
    for name in ("average", "worst", "forgetting", "new_task_gain"):
        signed = -rivals[name] if name == "forgetting" else rivals[name]
        best = signed.groupby([rivals[key] for key in ("network", *sets)]).transform("max")
        table[f"best_{name}"] = (signed == best).reindex(table.index, fill_value=False)
    return table


def sentence(table: pd.DataFrame) -> str:
    """Summarise the table in one sentence per set of datasets: the best method on average, compared with the others."""
    if "datasets" in table:
        groups = table.groupby("datasets", sort=False)
        return " ".join(f"Over {listed(datasets)}: {_sentence(group)}" for datasets, group in groups)
    return _sentence(table)


def listed(datasets: str) -> str:
    """Return a set of datasets ("a>b") in readable form ("a, b")."""
    return datasets.replace(">", ", ")


def _sentence(table: pd.DataFrame) -> str:
    rivals = table[table["method"] != JOINT]
    if rivals.empty:
        return ""
    best = rivals.loc[rivals["average"].idxmax()]
    others = rivals[(rivals["network"] == best["network"]) & (rivals["method"] != best["method"])]
    network = f" ({best['network']})" if table["network"].nunique() > 1 else ""
    text = f"{best['method']}{network} is best on average, with {spread(best, 'average')} dB"
    if not others.empty:
        second = others.loc[others["average"].idxmax()]
        ahead = best["average"] - second["average"]
        text += f", {ahead:.2f} dB ahead of {second['method']}"
    if np.isfinite(best["forgetting"]):
        text += f"; it forgets {_plain(best['forgetting'])} dB"
        if not others.empty:
            text += f", where {second['method']} forgets {_plain(second['forgetting'])}"
            gap = best["new_task_gain"] - others["new_task_gain"].max()
            other = others.loc[others["new_task_gain"].idxmax(), "method"]
            more = "more" if gap > 0 else "less"
            text += f", and gains {abs(gap):.2f} dB {more} on new datasets than {other}"
    return text + "."


def lines(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of the table as texts, each with a flag for the best."""
    return [
        {
            "network": row["network"],
            "method": row["method"],
            "datasets": listed(row.get("datasets", "")),
            "average": cell(row, "average"),
            "worst": {"text": f"{row['worst']:.2f}", "best": row["best_worst"], "order": row["worst_order"]},
            "forgetting": cell(row, "forgetting"),
            "new_task_gain": cell(row, "new_task_gain"),
            "old": "all" if pd.isna(row["old_data_bytes"]) else f"{row['old_data_bytes']:,}".replace(",", "\u202f"),
        }
        for _, row in table.iterrows()
    ]


def cell(row: Any, name: str) -> dict[str, Any]:
    """Return one quantity of one method: its text, and whether it is the best."""
    return {"text": spread(row, name), "best": bool(row[f"best_{name}"])}


def spread(row: Any, name: str) -> str:
    """Return "mean ± standard deviation over seeds" as text; with one seed, the mean alone."""
    mean, std = row[name], row[f"{name}_std"]
    if pd.isna(mean):
        return DASH
    text = f"{mean:.2f}" if name == "average" else signed(mean)
    return text if pd.isna(std) else f"{text} ± {std:.2f}"


def _plain(value: float) -> str:
    return f"{value:.2f}".replace("-", MINUS)


def signed(value: float) -> str:
    """Return a difference as text with its sign."""
    return f"{value:+.2f}".replace("-", MINUS)
