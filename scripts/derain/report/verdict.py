"""The verdict: one small table and one sentence."""

from typing import Any

import numpy as np
import pandas as pd

from derain.curriculum import JOINT
from derain.evaluation.continual import by_datasets

QUANTITIES = ("average", "forgetting", "new_task_gain")
MINUS, DASH = "−", "–"


def verdict(continual: pd.DataFrame, summary: pd.DataFrame, metric: str = "psnr_y_db") -> pd.DataFrame:
    """Methods × (average, worst order, forgetting, gain of new datasets, bytes of old data), of one rounding.

    continual, summary: tables of derain.evaluation.continual. Columns: network, method; of each quantity its mean
    over orders and seeds, and `_std` over seeds; worst and worst_order of the average; old_data_bytes, the most over
    orders; best_average, best_forgetting ...: whether no other method of the network does better; joint is no rival.
    Where orders differ in their datasets, a row and a comparison for each set of them, with the column `datasets`.
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
    """What the table says, in one sentence: the best method against the plainest reading of each column. One for each
    set of datasets.
    """
    if "datasets" in table:
        groups = table.groupby("datasets", sort=False)
        return " ".join(f"Over {listed(datasets)}: {_sentence(group)}" for datasets, group in groups)
    return _sentence(table)


def listed(datasets: str) -> str:
    """A set of datasets as it is read."""
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
    """The table as texts, with which of them are best."""
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
    """One quantity of one method."""
    return {"text": spread(row, name), "best": bool(row[f"best_{name}"])}


def spread(row: Any, name: str) -> str:
    """Mean ± standard deviation over seeds, where there are several."""
    mean, std = row[name], row[f"{name}_std"]
    if pd.isna(mean):
        return DASH
    text = f"{mean:.2f}" if name == "average" else signed(mean)
    return text if pd.isna(std) else f"{text} ± {std:.2f}"


def _plain(value: float) -> str:
    return f"{value:.2f}".replace("-", MINUS)


def signed(value: float) -> str:
    """A difference, with its sign."""
    return f"{value:+.2f}".replace("-", MINUS)
