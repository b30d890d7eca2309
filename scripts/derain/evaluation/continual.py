"""Continual-learning metrics of a score matrix, and the tables that hold them.

R[i, j] = score on dataset j after stage i, b_j = score of the rainy input itself, T = number of datasets. The first
stage, k, has learned k datasets: k = 1, or more if its θ is given. So R has T − k + 1 rows, the stages k … T, and
datasets up to k are learned at stage k: i(j) = max(j, k).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from derain.curriculum import FIRST, GIVEN, INDIVIDUAL, JOINT, Stage, in_tables, prefixes, stage
from derain.evaluation.complete import fault_of_rainy, fault_of_stage, images_of, refuse
from derain.evaluation.gathered import gather
from derain.evaluation.metrics import METRICS, scores_in_means
from derain.evaluation.reading import read_table
from derain.evaluation.source import Source

Matrix = NDArray[np.float64]
Bytes = Mapping[str, Mapping[str, Mapping[int, int]]]  # by network, method and number of datasets of the order

LOWER_IS_BETTER = ("forgetting", "intransigence_individual", "intransigence_joint")
QUANTITIES = ("average", "new_task_gain", "bwt", "fwt", *LOWER_IS_BETTER)


def average(scores: Matrix) -> float:
    """Mean over datasets after the last stage: mean_j R[T, j]."""
    return float(scores[-1].mean())


def backward_transfer(scores: Matrix) -> float:
    """BWT = mean over j < T of R[T, j] − R[i(j), j] (Lopez-Paz & Ranzato 2017, divided by T − 1); NaN for one stage."""
    if len(scores) < 2:
        return float("nan")
    return float((scores[-1] - when_learned(scores))[:-1].mean())


def forgetting(scores: Matrix) -> float:
    """Mean over j < T of max over stages l < T of R[l, j] − R[T, j] (Chaudhry et al. 2018); NaN for one stage."""
    if len(scores) < 2:
        return float("nan")
    return float((scores[:-1].max(0) - scores[-1])[:-1].mean())


def forward_transfer(scores: Matrix, rainy: Matrix) -> float:
    """FWT = mean over j > k of R[j − 1, j] − b_j (Lopez-Paz & Ranzato 2017); NaN for one stage."""
    if len(scores) < 2:
        return float("nan")
    k = _first_stage(scores)
    return float((np.diag(scores, k=k) - rainy[k:]).mean())


def new_task_gain(scores: Matrix, rainy: Matrix) -> float:
    """Mean over j > k of R[j, j] − b_j: the gain of a dataset that is learned after others; NaN for one stage."""
    if len(scores) < 2:
        return float("nan")
    return float((when_learned(scores) - rainy)[_first_stage(scores) :].mean())


def intransigence(scores: Matrix, reference: Matrix) -> float:
    """Mean over j of reference_j − R[i(j), j]: the deficit of datasets learned after others (Chaudhry et al. 2018).

    reference: score of the individual or joint network on each dataset.
    """
    return float((reference - when_learned(scores)).mean())


def when_learned(scores: Matrix) -> Matrix:
    """R[i(j), j], the score of each dataset j at the stage that has learned it."""
    k, datasets = _first_stage(scores), scores.shape[1]
    return scores[[stage_learned(j, k) - k for j in range(1, datasets + 1)], range(datasets)]


def stage_learned(j: int, k: int) -> int:
    """i(j), the stage that has learned dataset j (from 1); k: the first stage."""
    return max(j, k)


def _first_stage(scores: Matrix) -> int:
    return scores.shape[1] - len(scores) + 1


def matrix_table(
    scores: pd.DataFrame,
    rainy: pd.DataFrame,
    methods: Iterable[str],
    orders: Iterable[Iterable[str]],
    at_once: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Scores by method, order and stage: one row for each R[i, j], the mean over images (see `psnr.in_means`).

    scores: one row for each image, with network, seed, method and datasets (joined by ">") of its stage, dataset, image
    and the metrics; rainy: the same for the rainy inputs, without the stage; at_once: number of datasets that the first
    stage of a network has learned, k, where it is not 1. Stages are numbered by the datasets learned, so those of a
    network begin at k. A stage that orders or methods share has rows for each of them; a stage without scores has none.
    `joint` has the stages that were trained; `individual` has orders of one dataset, and its score on a dataset that a
    given network has learned is that of the given network; `given`, a network that is only evaluated, has no order and
    stage 0.
    """
    keys = ["network", "seed", "method", "datasets", "dataset"]
    scores, rainy = scores_in_means(scores), scores_in_means(rainy)
    means = scores.groupby(keys, sort=False)[list(METRICS)].mean()
    images = scores.groupby(keys, sort=False).size().rename("images")
    of_stage = means.join(images).reset_index().set_index(["network", "seed", "method", "datasets"]).sort_index()
    inputs = rainy.groupby("dataset")[list(METRICS)].mean().add_prefix("rainy_")

    parts = []
    for network, seed in dict.fromkeys(zip(scores["network"], scores["seed"], strict=True)):
        trained, k = of_stage.loc[(network, seed)].index, (at_once or {}).get(network, 1)
        for method, order, length, at in _rows_of_matrix(network, seed, trained, methods, orders, k):
            key = (network, seed, at.method, in_tables(at.datasets))
            if key not in of_stage.index:  # the run is not finished
                continue
            found = of_stage.loc[[key]]
            place = {"network": network, "seed": seed, "method": method, "order": in_tables(order), "stage": length}
            parts.append(found.assign(**place, learned=order[length - 1] if order else "-"))
    first = ["network", "seed", "method", "order", "stage", "learned", "dataset", "images"]
    columns = [*first, *METRICS, *inputs.columns, *(f"gain_{metric}" for metric in METRICS)]
    if not parts:
        return pd.DataFrame(columns=columns)
    return _with_gains(pd.concat(parts, ignore_index=True).join(inputs, on="dataset"))[columns]


def _with_gains(table: pd.DataFrame) -> pd.DataFrame:
    """Add gain_<metric> = (R − b)/(R_individual − b): 0 is the rainy input, 1 the dataset's individual network.

    It is empty where R_individual ≤ b: there is no gain to be a share of.
    """
    alone = table[(table["method"] == INDIVIDUAL) & (table["learned"] == table["dataset"])]
    reference = table[["network", "seed", "dataset"]].merge(
        alone[["network", "seed", "dataset", *METRICS]], how="left", validate="many_to_one"
    )
    for metric in METRICS:
        rainy = table[f"rainy_{metric}"]
        unit = reference[metric].to_numpy() - rainy
        table[f"gain_{metric}"] = (table[metric] - rainy) / unit.where(unit > 0)
    return table


def _rows_of_matrix(
    network: str,
    seed: int,
    trained: pd.MultiIndex,
    methods: Iterable[str],
    orders: Iterable[Iterable[str]],
    at_once: int,
) -> Iterator[tuple[str, tuple[str, ...], int, Stage]]:
    """(method, order, number of datasets seen, stage) of all rows. trained: (method, datasets) of the scored stages."""
    if any(method == GIVEN for method, _ in trained):
        yield GIVEN, (), 0, Stage(network, seed, GIVEN, ())
        return
    sequences = [tuple(order) for order in orders]
    rows = [
        (method, order, len(seen)) for method in methods for order in sequences for seen in prefixes(order, at_once)
    ]
    joint = {datasets for method, datasets in trained if method == JOINT}
    for order in sequences:
        found = [n for n in range(at_once + 1, len(order) + 1) if in_tables(sorted(order[:n])) in joint]
        # If every longer prefix has a joint network, the first stage is the one of the shortest prefix.
        whole = len(order) > at_once and len(found) == len(order) - at_once
        rows += [(JOINT, order, n) for n in ([at_once, *found] if whole else found)]
    for method, order, n in rows:
        yield method, order, n, stage(network, seed, method, order[:n], at_once)
    first = [datasets for method, datasets in trained if method == FIRST]
    for dataset in dict.fromkeys(sum(sequences, ())):
        # Its own network, or else the given one that has learned it with others.
        own = dataset if dataset in first else next((each for each in first if dataset in each.split(">")), None)
        if own:
            datasets = tuple(own.split(">"))
            yield INDIVIDUAL, (dataset,), 1, Stage(network, seed, FIRST, datasets, len(datasets))


def continual_table(
    matrix: pd.DataFrame, old_data: Bytes | None = None, at_once: Mapping[str, int] | None = None
) -> pd.DataFrame:
    """Continual-learning metrics of every method in every order, for each metric and its normalised gain.

    matrix, at_once: as in `matrix_table`; old_data: old_data_bytes, 0 where it has no number. Datasets that the order
    does not train on are ignored, and so are orders whose last stage has no scores. A method without a stage for every
    dataset (joint, unless all prefixes after the first stage have joint networks) has only its average. old_data_bytes:
    bytes stored of earlier datasets while the last one is learned; empty for joint, which is not a continual learner.
    """
    rows: list[Mapping[str, Any]] = []
    runs = matrix[matrix["order"].str.contains(">")]
    for (network, seed, method, order), run in runs.groupby(["network", "seed", "method", "order"], sort=False):
        datasets = order.split(">")
        same = matrix[(matrix["network"] == network) & (matrix["seed"] == seed)]
        stages = len(datasets) - (at_once or {}).get(network, 1) + 1
        if run["stage"].max() < len(datasets):  # the run is not finished
            continue
        for metric in (*METRICS, *(f"gain_{metric}" for metric in METRICS)):
            scores = _square(run, datasets, metric)
            quantities = {"average": average(scores)}
            if len(scores) == stages:
                rainy = np.zeros(len(datasets))
                if metric in METRICS:
                    rainy = run.groupby("dataset")[f"rainy_{metric}"].first()[datasets].to_numpy()
                quantities |= {
                    "new_task_gain": new_task_gain(scores, rainy),
                    "bwt": backward_transfer(scores),
                    "forgetting": forgetting(scores),
                    "fwt": forward_transfer(scores, rainy),
                    "intransigence_individual": intransigence(scores, _individual(same, datasets, metric)),
                    "intransigence_joint": intransigence(scores, _joint(same, order, metric, stages)),
                }
            place = {"network": network, "seed": seed, "method": method, "order": order, "metric": metric}
            stored = (old_data or {}).get(network, {}).get(method, {}).get(len(datasets), 0)
            old = pd.NA if method == JOINT else stored
            rows.append({**place, **dict.fromkeys(QUANTITIES, np.nan), **quantities, "old_data_bytes": old})
    columns = ["network", "seed", "method", "order", "metric", *QUANTITIES, "old_data_bytes"]
    return pd.DataFrame(rows, columns=columns).astype({"old_data_bytes": "Int64"})


def _square(run: pd.DataFrame, datasets: list[str], metric: str) -> Matrix:
    """R of one run: stages × datasets, both in the order of training."""
    return run.pivot(index="stage", columns="dataset", values=metric)[datasets].to_numpy()


def _individual(same: pd.DataFrame, datasets: list[str], metric: str) -> Matrix:
    alone = same[(same["method"] == INDIVIDUAL) & (same["learned"] == same["dataset"])]
    return alone.set_index("dataset")[metric].reindex(datasets).to_numpy()


def _joint(same: pd.DataFrame, order: str, metric: str, stages: int) -> Matrix:
    """Each dataset's score by the joint network of the datasets up to it, or else of the whole order; NaN for none.
    stages: number of stages of the order.
    """
    datasets = order.split(">")
    run = same[(same["method"] == JOINT) & (same["order"] == order)]
    if run.empty:
        return np.full(len(datasets), np.nan)
    scores = _square(run, datasets, metric)
    return when_learned(scores) if len(scores) == stages else scores[-1]


def by_datasets(continual: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The table, and the names of additional key columns for means over orders. If orders differ in their datasets (not
    only in their sequence), this is a new column `datasets`, sorted and joined by ">"; else there is none.
    """
    sets = [in_tables(sorted(order.split(">"))) for order in continual["order"]]
    return (continual.assign(datasets=sets), ["datasets"]) if len(set(sets)) > 1 else (continual, [])


def summary_table(continual: pd.DataFrame) -> pd.DataFrame:
    """Summary of each method: mean over orders and seeds, spread over seeds, worst order.

    One row for each network, method, metric and quantity: mean; std over seeds of the mean over orders (ddof 1, empty
    for one seed); worst: the mean over seeds of the worst order; worst_order: that order. The worst average, gain, BWT
    and FWT is the lowest; the worst forgetting and intransigence is the highest. Orders with different datasets are not
    averaged: each set of datasets then has its own rows, named in a column `datasets`.
    """
    continual, sets = by_datasets(continual)
    keys = ["network", "method", *sets, "metric", "quantity"]
    long = continual.melt([*keys[:-1], "seed", "order"], list(QUANTITIES), var_name="quantity").dropna(subset="value")
    by_seed = long.groupby([*keys, "seed"], sort=False)["value"].mean().groupby(keys, sort=False)
    by_order = long.groupby([*keys, "order"], sort=False)["value"].mean().reset_index()
    badness = by_order["value"].where(by_order["quantity"].isin(LOWER_IS_BETTER), -by_order["value"])
    worst = by_order.loc[badness.groupby([by_order[key] for key in keys], sort=False).idxmax()]
    worst = worst.rename(columns={"value": "worst", "order": "worst_order"}).set_index(keys)
    return pd.concat([by_seed.mean().rename("mean"), by_seed.std().rename("std"), worst], axis=1).reset_index()


def tables_by_rounding(
    scores: pd.DataFrame,
    rainy: pd.DataFrame,
    roundings: Iterable[str],
    methods: Iterable[str],
    orders: Iterable[Iterable[str]],
    old_data: Bytes,
    at_once: Mapping[str, int] | None = None,
) -> dict[str, pd.DataFrame]:
    """The tables "matrix", "continual" and "summary" for all roundings; their first column is the rounding.

    scores, rainy, methods, orders, at_once: as in `matrix_table`, scores with a column `rounding`; old_data: as in
    `continual_table`.
    """
    parts: dict[str, list[pd.DataFrame]] = {"matrix": [], "continual": [], "summary": []}
    for rounding in roundings:
        matrix = matrix_table(scores[scores["rounding"] == rounding], rainy, methods, orders, at_once)
        continual = continual_table(matrix, old_data, at_once)
        found = {"matrix": matrix, "continual": continual, "summary": summary_table(continual)}
        for name, table in found.items():
            table.insert(0, "rounding", rounding)
            parts[name].append(table)
    return {name: pd.concat(of_each) for name, of_each in parts.items()}


def score_tables(
    sources: Sequence[Source],
    datasets: Mapping[str, Mapping[str, str]],
    roundings: Sequence[str],
    methods: Iterable[str],
    orders: Iterable[Iterable[str]],
    old_data: Bytes,
    at_once: Mapping[str, int] | None = None,
) -> dict[str, pd.DataFrame]:
    """The table "scores", each row with the scores of the rainy input as well, and those of `tables_by_rounding`; all
    empty without sources.

    sources: stages, with the datasets that they are `scored` on, and their score files; datasets: for each dataset its
    pairs.csv ("pairs") of the test pairs and rainy.csv ("rainy"). Raises UserError if the scores do not match the test
    images.
    """
    columns = ["dataset", "image", *METRICS]
    of_stage = ["network", "seed", "method", "datasets"]
    scores = pd.DataFrame(columns=[*of_stage, *columns, "rounding"]).astype({"datasets": str, "rounding": str})
    rainy = pd.DataFrame(columns=columns)
    if sources and datasets:
        images = images_of({name: files["pairs"] for name, files in datasets.items()})
        refuse(fault_of_rainy(files["rainy"], name, images) for name, files in datasets.items())
        refuse(fault_of_stage(source, images, roundings) for source in sources)
        scores = gather(sources)
        rainy = pd.concat([read_table(files["rainy"]) for files in datasets.values()], ignore_index=True)
    beside = scores.merge(rainy, on=["dataset", "image"], suffixes=("", "_rainy"), validate="many_to_one")
    return {"scores": beside} | tables_by_rounding(scores, rainy, roundings, methods, orders, old_data, at_once)
