"""Continual-learning metrics of a score matrix, and the tables that hold them.

R[i, j] = score on dataset j after stage i, b_j = score of the rainy input itself, T = number of stages.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from derain.curriculum import FIRST, JOINT, stage
from derain.metrics import METRICS

Matrix = NDArray[np.float64]

# Columns that hold text, whatever the text looks like: a dataset may be called 1400 or NA.
TEXTS = ("network", "method", "datasets", "dataset", "image", "order", "learned", "metric")


def average(scores: Matrix) -> float:
    """Mean over datasets after the last stage: mean_j R[T, j]."""
    return float(scores[-1].mean())


def backward_transfer(scores: Matrix) -> float:
    """BWT = mean over j < T of R[T, j] − R[j, j] (Lopez-Paz & Ranzato 2017, divided by T − 1); NaN for one stage."""
    return _mean(scores[-1] - np.diag(scores), slice(None, -1))


def forgetting(scores: Matrix) -> float:
    """Mean over j < T of max over l < T of R[l, j] − R[T, j] (Chaudhry et al. 2018); NaN for one stage."""
    if len(scores) < 2:
        return float("nan")
    return _mean(scores[:-1].max(0) - scores[-1], slice(None, -1))


def forward_transfer(scores: Matrix, rainy: Matrix) -> float:
    """FWT = mean over j ≥ 2 of R[j − 1, j] − b_j (Lopez-Paz & Ranzato 2017); NaN for one stage."""
    if len(scores) < 2:
        return float("nan")
    return float((np.diag(scores, k=1) - rainy[1:]).mean())


def _mean(values: Matrix, part: slice) -> float:
    return float(values[part].mean()) if len(values[part]) else float("nan")


def read_table(file: Any) -> pd.DataFrame:
    """A table of scores, matrix or metrics from CSV; an empty field is a missing number, and no name is."""
    types = dict.fromkeys(TEXTS, str) | dict.fromkeys(METRICS, float)
    return pd.read_csv(file, dtype=types, keep_default_na=False, na_values=[""])


def matrix_table(
    scores: pd.DataFrame, rainy: pd.DataFrame, methods: Iterable[str], orders: Iterable[Iterable[str]]
) -> pd.DataFrame:
    """Scores by method, order and stage: a row for each R[i, j], mean over images.

    scores: a row an image, with network, seed, method and datasets (joined by ">") of its stage, dataset, image and
    the metrics; rainy: the same for the rainy inputs, without the stage. Stages that orders or methods share stand
    in the rows of each. `joint` has its last stage only; `individual` has orders of one dataset.
    """
    keys = ["network", "seed", "method", "datasets", "dataset"]
    means = scores.groupby(keys, sort=False)[list(METRICS)].mean()
    images = scores.groupby(keys, sort=False).size().rename("images")
    of_stage = means.join(images).reset_index().set_index(["network", "seed", "method", "datasets"]).sort_index()
    inputs = rainy.groupby("dataset")[list(METRICS)].mean().add_prefix("rainy_")

    parts = []
    for network, seed in dict.fromkeys(zip(scores["network"], scores["seed"], strict=True)):
        for method, order, length in _rows_of_matrix(of_stage.loc[(network, seed)].index, methods, orders):
            at = stage(network, seed, JOINT if method == JOINT else method, order[:length])
            found = of_stage.loc[(network, seed, at.method, ">".join(at.datasets))]
            place = {"network": network, "seed": seed, "method": method, "order": ">".join(order), "stage": length}
            parts.append(found.assign(**place, learned=order[length - 1]))
    table = pd.concat(parts, ignore_index=True).join(inputs, on="dataset")
    first = ["network", "seed", "method", "order", "stage", "learned", "dataset", "images"]
    return table[[*first, *METRICS, *inputs.columns]]


def _rows_of_matrix(
    trained: pd.MultiIndex, methods: Iterable[str], orders: Iterable[Iterable[str]]
) -> list[tuple[str, tuple[str, ...], int]]:
    """(method, order, number of datasets seen) of all rows."""
    sequences = [tuple(order) for order in orders]
    rows = [(method, order, n + 1) for method in methods for order in sequences for n in range(len(order))]
    joint = {datasets for method, datasets in trained if method == JOINT}
    rows += [(JOINT, order, len(order)) for order in sequences if ">".join(sorted(order)) in joint]
    first = {datasets for method, datasets in trained if method == FIRST}
    return rows + [("individual", (dataset,), 1) for dataset in dict.fromkeys(sum(sequences, ())) if dataset in first]


def continual_table(matrix: pd.DataFrame) -> pd.DataFrame:
    """Average, BWT, forgetting and FWT of every method that has all stages of an order, by metric.

    matrix: as `matrix_table` makes it. Datasets that the order does not train on do not count.
    """
    rows: list[Mapping[str, Any]] = []
    runs = matrix[matrix["order"].str.contains(">")]
    for (network, seed, method, order), run in runs.groupby(["network", "seed", "method", "order"], sort=False):
        datasets = order.split(">")
        place = {"network": network, "seed": seed, "method": method, "order": order}
        for metric in METRICS:
            scores = run.pivot(index="stage", columns="dataset", values=metric)[datasets].to_numpy()
            rainy = run.groupby("dataset")[f"rainy_{metric}"].first()[datasets].to_numpy()
            whole = len(scores) == len(datasets)  # the joint network has no earlier stages
            rows.append(
                {
                    **place,
                    "metric": metric,
                    "average": average(scores),
                    "bwt": backward_transfer(scores) if whole else np.nan,
                    "forgetting": forgetting(scores) if whole else np.nan,
                    "fwt": forward_transfer(scores, rainy) if whole else np.nan,
                }
            )
    columns = ["network", "seed", "method", "order", "metric", "average", "bwt", "forgetting", "fwt"]
    return pd.DataFrame(rows, columns=columns)
