"""Rows for the charts: the result tables, reduced to a size that a page can hold.

An order is given as its index in the list of orders, so that the page holds its name only once. `seed` is text; with
several seeds, "mean" stands for the mean over them.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from derain.curriculum import FIRST, JOINT, as_read
from derain.evaluation.chord import SIDES, points
from derain.evaluation.continual import by_datasets, stage_learned
from derain.evaluation.metrics import METRICS
from derain.evaluation.source import PLAIN

MEAN = "mean"
RAINY = "rainy input"
VALIDATION = "validation_psnr_rgb_db"
# Columns of tables/training.csv, and columns that `training` adds, that are not terms of the loss.
NO_TERMS = {
    "network", "seed", "method", "datasets", "order", "stage", "dataset", "progress",
    "step", "psnr_rgb_db", VALIDATION, "learning_rate", "images_per_second", "seconds",
}  # fmt: skip
POINTS = 12_000  # aimed at for all training curves together
LAYERS = 40  # at most, of a network


def orders(table: pd.DataFrame) -> list[str]:
    """Return the orders of more than one dataset, as written in the tables ("a>b>c")."""
    return [order for order in dict.fromkeys(table["order"]) if ">" in order]


def seeds(table: pd.DataFrame) -> list[str]:
    """Return the options of the seed switch, the default first."""
    found = [str(seed) for seed in dict.fromkeys(table["seed"])]
    return found if len(found) == 1 else [MEAN, *found]


def with_mean(table: pd.DataFrame, keys: Sequence[str], values: Sequence[str]) -> pd.DataFrame:
    """Return the table with `seed` as text; with several seeds, rows of their mean come first."""
    parts = [table.assign(seed=table["seed"].astype(str))]
    if table["seed"].nunique() > 1:
        parts.insert(0, table.groupby(list(keys), sort=False)[list(values)].mean().reset_index().assign(seed=MEAN))
    return pd.concat(parts, ignore_index=True)


def matrix(table: pd.DataFrame, at_once: Mapping[str, int]) -> pd.DataFrame:
    """Return R of every method, order and seed, with the rainy input as stage 0.

    table: tables/matrix.csv, of one rounding; at_once: as in `derain.evaluation.continual.matrix_table`. Columns:
    `after` names the stage; `position` is the dataset's index in the order, or 999 if the order does not contain it;
    `learned_at` is the stage at which the dataset was learned, later than all stages if it is not in the order.
    """
    names = orders(table)
    runs = table[table["order"].isin(names)]
    keys = ["network", "method", "order", "stage", "learned", "dataset", "images"]
    inputs = runs.drop_duplicates(["network", "method", "order", "seed", "dataset"])
    inputs = inputs.assign(stage=0, learned=RAINY, **{metric: inputs[f"rainy_{metric}"] for metric in METRICS})
    rows = with_mean(pd.concat([inputs, runs]), keys, METRICS)
    places = {order: {name: n for n, name in enumerate(order.split(">"))} for order in names}
    positions = [places[o].get(d, 999) for o, d in zip(rows["order"], rows["dataset"], strict=True)]
    first_stages = (at_once.get(network, 1) for network in rows["network"])
    return pd.DataFrame(
        {
            "network": rows["network"],
            "method": rows["method"],
            "order": rows["order"].map(names.index),
            "seed": rows["seed"],
            "stage": rows["stage"],
            "after": [
                RAINY if n == 0 else f"{n}. {name}" for n, name in zip(rows["stage"], rows["learned"], strict=True)
            ],
            "dataset": rows["dataset"],
            "position": positions,
            "learned_at": [stage_learned(n + 1, k) for n, k in zip(positions, first_stages, strict=True)],
            "images": rows["images"],
            **{metric: rows[metric] for metric in METRICS},
        }
    )


def chord(table: pd.DataFrame, matrix: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return blends and methods in the plane of old against new scores, at each stage after the first of each order.

    table: tables/chord.csv; matrix: tables/matrix.csv, each of one rounding; names: the orders. Columns: `name`, the
    method, and of a blend weighted by Ω its kind; `alpha`, empty for methods; `line`, 2 for the line to beat, 1 for
    other blends, 0 for methods; the scores SIDES; network, order, seed, stage and `after` as in `matrix`.
    """
    found = points(matrix)
    found = found[found["datasets"].isin(table["datasets"])]  # the first stage of a given network has no blend
    paths = found[["network", "seed", "order", "stage", "datasets"]].drop_duplicates()
    blends = paths.merge(table, on=["network", "seed", "datasets"])
    weighted = ("" if kind == PLAIN else f", Ω {kind}" for kind in blends["importance"])
    blends["name"] = [f"{method}{by}" for method, by in zip(blends["method"], weighted, strict=True)]
    blends["line"] = 1 + blends["line"].astype(int)
    keys = ["network", "order", "stage", "name", "line"]
    rows = pd.concat(
        [
            with_mean(blends, [*keys, "alpha"], SIDES),
            with_mean(found.assign(name=found["method"], line=0), keys, SIDES),
        ],
        ignore_index=True,
    )
    parts = zip(rows["stage"], rows["order"], strict=True)
    rows["after"] = [f"{stage}. {order.split('>')[stage - 1]}" for stage, order in parts]
    rows["order"] = rows["order"].map(list(names).index)
    return rows[[*keys[:3], "seed", "after", "name", "line", "alpha", *SIDES]]


def continual(table: pd.DataFrame) -> pd.DataFrame:
    """Return average, forgetting and gain of new datasets of every order, mean over seeds.

    table: tables/continual.csv. If orders contain different sets of datasets, the result has a column `datasets`; means
    over orders must not mix them.
    """
    table, sets = by_datasets(table)
    names = {"average": "average", "forgetting": "forgetting", "new_task_gain": "gain of new datasets"}
    rows = table[table["metric"].isin(METRICS)].melt(
        ["network", "method", *sets, "order", "seed", "metric"], list(names), var_name="quantity"
    )
    means = rows.dropna(subset="value").groupby(["network", "method", *sets, "order", "metric", "quantity"], sort=False)
    found = means["value"].mean().reset_index()
    return found.assign(
        quantity=found["quantity"].map(names), order=found["order"].map(as_read),
        **{name: found[name].str.replace(">", ", ") for name in sets},
    )  # fmt: skip


def _of_orders(table: pd.DataFrame, names: Sequence[str], methods: Sequence[str], seed: int) -> Iterator[pd.DataFrame]:
    """Yield the rows of each stage of a seed, once for every order and method that contains the stage."""
    of_seed = table[table["seed"] == seed]
    of_stage = dict(list(of_seed.groupby(["network", "method", "datasets"], sort=False)))
    for network in dict.fromkeys(of_seed["network"]):
        for number, order in enumerate(names):
            parts = order.split(">")
            for method in methods:
                for stage in range(1, len(parts) + 1):
                    path = ">".join(sorted(parts[:stage])) if method == JOINT and stage > 1 else ">".join(parts[:stage])
                    rows = of_stage.get((network, method, path))
                    rows = of_stage.get((network, FIRST, path)) if rows is None else rows  # shared by all methods
                    if rows is not None:
                        yield rows.assign(method=method, order=number, stage=stage, dataset=parts[stage - 1])


def terms(table: pd.DataFrame) -> list[str]:
    """Return the columns of a training table that hold loss terms, including those of methods, or validation PSNR."""
    return [*(name for name in table if name not in NO_TERMS), *([VALIDATION] if VALIDATION in table else [])]


def training(table: pd.DataFrame, names: Sequence[str], methods: Sequence[str], seed: int) -> pd.DataFrame:
    """Return the loss terms of a seed along each sequence, thinned (see POINTS). table: tables/training.csv.

    `progress` runs from stage − 1 at the beginning of a stage to stage at its end. Joint training has no place on this
    axis.
    """
    parts = list(_of_orders(table, names, methods, seed))
    if not parts:
        return pd.DataFrame()
    count = max(6, POINTS // len(parts))
    thinned = []
    for part in parts:
        chosen = np.unique(np.linspace(0, len(part) - 1, min(count, len(part))).astype(int))
        validated = part[VALIDATION].notna().to_numpy().nonzero()[0][-count:]
        thin = part.iloc[np.union1d(chosen, validated)]
        thinned.append(thin.assign(progress=thin["stage"] - 1 + thin["step"] / part["step"].max()))
    found = pd.concat(thinned, ignore_index=True)
    return found[["network", "method", "order", "stage", "dataset", "step", "progress", *terms(table)]]


def layers(table: pd.DataFrame, names: Sequence[str], methods: Sequence[str], seed: int, value: str) -> pd.DataFrame:
    """Return the rows of a seed of a table of `derain.evaluation.layers`, repeated for each order and method.

    If a network has more than LAYERS layers, only the layers with the greatest mean of the column `value` stay.
    """
    parts = list(_of_orders(table, names, methods, seed))
    if not parts:
        return pd.DataFrame()
    found = pd.concat(parts, ignore_index=True)
    if "layer" in found:
        ranks = found.groupby(["network", "layer"])[value].mean().groupby("network").rank(ascending=False)
        great = found.join(ranks.rename("rank"), on=["network", "layer"])["rank"] <= LAYERS
        found = found[great]
    return found
