"""The verdict of an experiment as a table, and the harms of its networks. derain.report.wording puts it in words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from derain.curriculum import FIRST, GIVEN, INDIVIDUAL, JOINT, in_tables
from derain.evaluation.chord import above_chord
from derain.evaluation.continual import by_datasets
from derain.evaluation.paired import Comparison, compare
from derain.evaluation.psnr import in_means

QUANTITIES = ("average", "forgetting", "new_task_gain")
# No rivals of the methods: joint trains on all datasets at once, the two others on one dataset or elsewhere.
REFERENCES = (JOINT, INDIVIDUAL, GIVEN)
ROUNDED = 0.005  # dB: half of the last digit that is shown
DIFFERENCE = [
    *("to_best", "to_best_low", "to_best_high", "to_best_seeds_low", "to_best_seeds_high"),
    *("compared_images", "compared_seeds", "beyond_noise"),
]
HARMED = ["harms", "lowest_gain", "lowest_gain_dataset"]
PLACE = ["network", "method", "order", "dataset"]
Orders = Mapping[tuple[str, ...], Sequence[str]]  # of each method, by network, method and set of datasets


def verdict(tables: Mapping[str, pd.DataFrame], metric: str = "psnr_y_db") -> pd.DataFrame:
    """Return methods and references × (average, worst order, forgetting, gain of new datasets, bytes of old data, ...).

    tables: "matrix", "continual" and "summary" of derain.evaluation.continual, of one rounding; if there are any,
    "scores", for the intervals, and "chord" (derain.evaluation.chord).

    Columns: network, method; of each quantity its mean over orders and seeds, and `_std` over seeds; worst,
    worst_order: lowest average and its order; old_data_bytes: maximum over orders; best_average, best_forgetting ...:
    whether no other method of the network has a better number (references do not compete); to_best: average above that
    of the network's best method, with its paired 95 % intervals over test images (to_best_low, to_best_high, of
    compared_images) and over seeds (to_best_seeds_low, to_best_seeds_high, of compared_seeds), empty if unknown;
    beyond_noise: of the best method, whether it is beyond these intervals ahead of every other method, else whether the
    row differs from the best; harms: datasets with a mean score below that of their rainy input after the last stage of
    any order; lowest_gain, lowest_gain_dataset: the lowest score above the rainy input; above_chord, if there is a
    chord: the score on the newest dataset above the chord of fine-tuning at the method's score on the old ones, mean
    over stages, orders and seeds (derain.evaluation.chord.above_chord), empty for references. If orders contain
    different sets of datasets, each set (column `datasets`) has rows of its own, which are compared only with each
    other.
    """
    summary, matrix = tables["summary"], tables["matrix"]
    rows = summary[summary["metric"] == metric].set_index("quantity")
    continual, sets = by_datasets(tables["continual"])
    keys = ["network", "method", *sets]
    table = rows.loc[rows.index == "average", [*keys, "worst", "worst_order"]].reset_index(drop=True)
    for name in QUANTITIES:
        found = rows.loc[rows.index == name, [*keys, "mean", "std"]]
        table = table.merge(found.rename(columns={"mean": name, "std": f"{name}_std"}), how="left", on=keys)
    old = continual.groupby(keys, sort=False)["old_data_bytes"].max().reset_index()
    table = table.merge(old, how="left", on=keys)
    orders = {key: tuple(dict.fromkeys(run["order"])) for key, run in continual.groupby(keys, sort=False)}
    table = pd.concat([table, _references(table, orders, matrix, metric, sets)], ignore_index=True)
    networks = pd.Categorical(table["network"], list(dict.fromkeys(table["network"])))
    table = table.iloc[networks.codes.argsort(kind="stable")].reset_index(drop=True)
    of_each = [_finals(matrix, row, orders) for _, row in table.iterrows()]
    rivals = table[~table["method"].isin(REFERENCES)]
    for name in ("average", "worst", "forgetting", "new_task_gain"):
        signed = -rivals[name] if name == "forgetting" else rivals[name]
        best = signed.groupby([rivals[key] for key in ("network", *sets)]).transform("max")
        table[f"best_{name}"] = (signed == best).reindex(table.index, fill_value=False)
    harmed = pd.DataFrame([_harms(finals, metric) for finals in of_each], index=table.index, columns=HARMED)
    compared = _compared(table, tables.get("scores"), orders, metric, sets)
    judged = table.join(compared.assign(beyond_noise=compared["beyond_noise"].eq(True))).join(harmed)
    chord = tables.get("chord")
    if chord is None or not chord["line"].any():
        return judged
    above = above_chord(matrix, chord, metric)
    return judged.assign(above_chord=[_above(above, row, orders) for _, row in table.iterrows()])


def _above(above: pd.DataFrame, row: pd.Series, orders: Orders) -> float:
    """The mean of `above_chord` over the stages of a method's orders and seeds; NaN for a reference."""
    if row["method"] in REFERENCES:
        return float("nan")
    mine = above[(above["network"] == row["network"]) & (above["method"] == row["method"])]
    return float(mine.loc[mine["order"].isin(orders[_key(row)]), "above"].mean())


def _references(
    table: pd.DataFrame, orders: Orders, matrix: pd.DataFrame, metric: str, sets: Sequence[str]
) -> pd.DataFrame:
    """Averages of individual networks, and of given ones, over each set of datasets that they have scores of."""
    found = []
    own = matrix[(matrix["method"] == INDIVIDUAL) & (matrix["learned"] == matrix["dataset"])]
    for rows in (own, matrix[matrix["method"] == GIVEN]):
        for (network, method), run in rows.groupby(["network", "method"], sort=False):
            for key in dict.fromkeys(tuple(sorted(order[0].split(">"))) for order in orders.values()):
                by_seed = run[run["dataset"].isin(key)].pivot_table(index="seed", columns="dataset", values=metric)
                if set(key) <= set(by_seed.columns):
                    averages = by_seed.mean(axis=1)
                    of_set = {"datasets": in_tables(key)} if sets else {}
                    line = {"network": network, "method": method, **of_set, "average": averages.mean()}
                    found.append(line | {"average_std": averages.std()})
    lines = pd.DataFrame(found, columns=["network", "method", *sets, "average", "average_std"])
    return lines.reindex(columns=table.columns).astype(dict(table.dtypes))


def _finals(matrix: pd.DataFrame, row: pd.Series, orders: Orders) -> pd.DataFrame:
    """The rows of the matrix of a method's networks after the last stage of its orders, or of a reference's."""
    run = matrix[(matrix["network"] == row["network"]) & (matrix["method"] == row["method"])]
    if row["method"] == GIVEN:
        return run
    if row["method"] == INDIVIDUAL:
        return run[run["learned"] == run["dataset"]]
    return run[_is_last(run) & run["order"].isin(orders[_key(row)])]


def _is_last(matrix: pd.DataFrame) -> pd.Series:
    """Whether the stage of a row is the last one of its order."""
    return matrix["order"].str.count(">") + 1 == matrix["stage"]


def _key(row: pd.Series) -> tuple[str, ...]:
    return (row["network"], row["method"], *([row["datasets"]] if "datasets" in row else []))


class Harm(NamedTuple):
    """A network whose mean score on a dataset is below that of the rainy input, in dB; order: as in the tables."""

    network: str
    method: str
    order: str
    dataset: str
    rainy: float
    score: float


def harms(matrix: pd.DataFrame, metric: str = "psnr_y_db") -> list[Harm]:
    """Return each harm of a network after the last stage of an order, mean over seeds, the greatest first.

    matrix: tables/matrix.csv, of one rounding. Networks of single datasets count on their own dataset only.
    """
    own = (matrix["method"] != INDIVIDUAL) | (matrix["learned"] == matrix["dataset"])
    means = _gains(matrix[(_is_last(matrix) | (matrix["method"] == GIVEN)) & own], metric)
    low = means[means["gain"] < 0].sort_values("gain", kind="stable")
    return [Harm(*row) for row in low[[*PLACE, f"rainy_{metric}", metric]].itertuples(index=False)]


def _gains(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Scores above those of the rainy input, mean over seeds; datasets without clean images are left out."""
    means = rows.groupby(PLACE, sort=False)[[metric, f"rainy_{metric}"]].mean().dropna().reset_index()
    return means.assign(gain=means[metric] - means[f"rainy_{metric}"])


def _harms(finals: pd.DataFrame, metric: str) -> dict[str, Any]:
    gains = _gains(finals, metric)
    if gains.empty:
        return {"harms": "", "lowest_gain": np.nan, "lowest_gain_dataset": ""}
    lowest = gains.loc[gains["gain"].idxmin()]
    names = dict.fromkeys(gains.loc[gains["gain"] < 0, "dataset"])
    return {"harms": ">".join(names), "lowest_gain": lowest["gain"], "lowest_gain_dataset": lowest["dataset"]}


def _compared(
    table: pd.DataFrame,
    scores: pd.DataFrame | None,
    orders: Orders,
    metric: str,
    sets: Sequence[str],
) -> pd.DataFrame:
    """Compare each row with the best method of its network; a given network with the best method of all networks."""
    lines: dict[Any, dict[str, Any]] = {}
    for _, of_set in table.groupby(list(sets), sort=False) if sets else [((), table)]:
        methods = of_set[~of_set["method"].isin(REFERENCES)]
        for network, rows in of_set.groupby("network", sort=False):
            own = methods[methods["network"] == network]
            rivals = methods if own.empty else own
            if rivals.empty:
                continue
            best = rivals.loc[rivals["average"].idxmax()]
            found = {n: _to_best(row, best, scores, orders, metric) for n, row in rows.iterrows() if n != best.name}
            lines |= {n: dict(zip(DIFFERENCE, _values(each), strict=True)) for n, each in found.items()}
            others = [found[n].beyond_noise for n in own.index if n in found]
            if not own.empty:
                lines[best.name] = {"to_best": 0.0, "beyond_noise": bool(others) and all(others)}
    return pd.DataFrame.from_dict(lines, orient="index", columns=DIFFERENCE).reindex(table.index)


def _values(found: Comparison) -> tuple[Any, ...]:
    """The values of the columns DIFFERENCE."""
    return (found.ahead, *found.over_images, *found.over_seeds, found.images, found.seeds, found.beyond_noise)


def _to_best(row: pd.Series, best: pd.Series, scores: pd.DataFrame | None, orders: Orders, metric: str) -> Comparison:
    difference = row["average"] - best["average"]
    if scores is None:
        return Comparison(difference)
    datasets = orders[_key(best)][0].split(">")
    mine, others = (_of_images(scores, each, orders, metric, datasets) for each in (row, best))
    found = compare(_of_seeds(mine, others["seed"].unique()) if row["method"] == GIVEN else mine, others)
    # Of an unfinished experiment, the averages may be over other orders or seeds than what is compared.
    return found if abs(found.ahead - difference) < ROUNDED else Comparison(difference)


def _of_images(
    scores: pd.DataFrame, row: pd.Series, orders: Orders, metric: str, datasets: Sequence[str]
) -> pd.DataFrame:
    """The scores of the test images of `datasets` that the average of a row is over, for derain.evaluation.paired."""
    mine = scores[(scores["network"] == row["network"]) & scores["dataset"].isin(datasets)]
    if row["method"] == INDIVIDUAL:
        mine = mine[mine["method"] == FIRST]
        # A given network that has learned several datasets stands for those that have no network of their own.
        alone = set(mine.loc[mine["datasets"] == mine["dataset"], "dataset"])
        learned = [path == dataset or (dataset not in alone and dataset in path.split(">"))
                   for path, dataset in zip(mine["datasets"], mine["dataset"], strict=True)]  # fmt: skip
        mine = mine[np.array(learned, dtype=bool)]
    elif row["method"] == GIVEN:
        mine = mine[mine["method"] == GIVEN]
    elif row["method"] == JOINT:
        sets = [in_tables(sorted(order.split(">"))) for order in orders[_key(row)]]
        mine = mine[(mine["method"] == JOINT) & mine["datasets"].isin(sets)]
    else:  # the first stage, which may be the last one, too, belongs to all methods
        mine = mine[mine["method"].isin([row["method"], FIRST]) & mine["datasets"].isin(orders[_key(row)])]
    values = in_means(mine[metric]) if metric.startswith("psnr") else mine[metric]
    return mine[["dataset", "image", "seed"]].assign(score=values)


def _of_seeds(given: pd.DataFrame, seeds: Iterable[int]) -> pd.DataFrame:
    """The scores of a network that is only evaluated, which has no seed of its own, repeated for each of the seeds."""
    return pd.concat([given.assign(seed=seed) for seed in seeds], ignore_index=True)
