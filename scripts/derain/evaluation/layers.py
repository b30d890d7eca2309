"""Where importance sits and what moves, layer by layer: tables of θ and Ω, in plain arrays.

A layer is all tensors that share a name up to the last dot: `conv_i.0` holds a weight and a bias.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from derain.curriculum import FIRST, in_tables
from derain.files import tensors

Tensors = Mapping[str, NDArray[np.float32]]
Row = dict[str, Any]
Place = Mapping[str, Any]  # network, seed, method, datasets of a stage; importance, of an Ω

# Edges of the histogram of log10 Ω; what lies outside is counted in the outermost bin.
LOG10_EDGES = np.linspace(-10, 2, 49)
# The most important share of the weights, whose overlap between two datasets is told: by chance it is as large.
TOP = 0.1


def layers(tensors: Tensors) -> dict[str, list[str]]:
    """Names of the tensors of each layer, in the order of the file."""
    found: dict[str, list[str]] = {}
    for name in tensors:
        found.setdefault(name.rpartition(".")[0] or name, []).append(name)
    return found


def sums_of_layers(omega: Tensors) -> Iterator[Row]:
    """Of each layer: weights, mean Ω, and its share of the sum of Ω over the whole network (0 where all are 0)."""
    total = sum(float(part.sum(dtype=np.float64)) for part in omega.values())
    for layer, names in layers(omega).items():
        inside = sum(float(omega[name].sum(dtype=np.float64)) for name in names)
        size = sum(omega[name].size for name in names)
        yield {"layer": layer, "weights": size, "mean": inside / size, "share": inside / total if total else 0.0}


def histogram(omega: Tensors) -> Iterator[Row]:
    """Share of the weights in each bin of log10 Ω that holds any; weights of Ω = 0 are in the lowest bin."""
    values = _flat(omega)
    logs = np.log10(np.maximum(values, 10.0 ** LOG10_EDGES[0]))
    counts, _ = np.histogram(np.clip(logs, LOG10_EDGES[0], LOG10_EDGES[-1]), LOG10_EDGES)
    for low, high, count in zip(LOG10_EDGES[:-1], LOG10_EDGES[1:], counts, strict=True):
        if count:
            yield {"log10_low": low, "log10_high": high, "share": count / values.size}


def most_important(omega: Tensors) -> NDArray[np.bool_]:
    """Which of all weights are among the most important TOP, tensor after tensor by name; ties go to the first."""
    values = _flat(omega)
    chosen = np.zeros(values.size, bool)
    chosen[np.argsort(-values, kind="stable")[: max(1, round(TOP * values.size))]] = True
    return chosen


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Share of the weights of a that are in b, each from `most_important`: 1 for equal Ω, about TOP by chance."""
    return float((a & b).sum() / a.sum())


def relative_move(before: Tensors, after: Tensors, names: Iterable[str]) -> float:
    """‖θ − θⁿ‖/‖θⁿ‖ of the tensors of these names together, in float64; NaN where all of them were 0."""
    names = list(names)
    moved = sum(float(np.square(after[name].astype(np.float64) - before[name]).sum()) for name in names)
    length = sum(float(np.square(before[name].astype(np.float64)).sum()) for name in names)
    return float((moved / length) ** 0.5) if length else float("nan")


def moves_of_layers(before: Tensors, after: Tensors) -> Iterator[Row]:
    """How far each layer moved in a stage."""
    for layer, names in layers(before).items():
        yield {"layer": layer, "relative_move": relative_move(before, after, names)}


def _flat(omega: Tensors) -> NDArray[np.float32]:
    return np.concatenate([omega[name].ravel() for name in sorted(omega)])


def importance_tables(omegas: Iterable[tuple[Place, str]]) -> dict[str, pd.DataFrame]:
    """Tables "layers", "distribution" and "overlap" of Ω files, each of a stage's last dataset at the stage's θ.

    Behind the stage (network, seed, method, importance, datasets) stand the columns of `sums_of_layers`, those of
    `histogram`, or an earlier dataset of the same path and the `overlap` of its Ω with this one.
    """
    rows: dict[str, list[Row]] = {"layers": [], "distribution": [], "overlap": []}
    seen: list[tuple[Place, NDArray[np.bool_]]] = []
    for place, file in sorted(omegas, key=lambda omega: len(omega[0]["datasets"])):
        omega, _ = tensors.read(file)
        stage = _in_tables(place)
        rows["layers"] += [stage | row for row in sums_of_layers(omega)]
        rows["distribution"] += [stage | row for row in histogram(omega)]
        chosen = most_important(omega)
        for before, earlier in seen:
            if _is_on_path(before, place):
                rows["overlap"].append(stage | {"earlier": before["datasets"][-1], "overlap": overlap(earlier, chosen)})
        seen.append((place, chosen))
    of_one = ["network", "seed", "method", "datasets", "importance", "earlier", "overlap"]  # where no path has two
    return {name: pd.DataFrame(found, columns=None if found else of_one) for name, found in rows.items()}


def moves_table(stages: Iterable[tuple[Place, str, str]]) -> pd.DataFrame:
    """`moves_of_layers` of stages with a past, each with the files of θ before and after, behind the stage."""
    rows = []
    for place, before, after in stages:
        thetas = [tensors.read(file)[0] for file in (before, after)]
        rows += [_in_tables(place) | row for row in moves_of_layers(*thetas)]
    return pd.DataFrame(rows)


def _in_tables(place: Place) -> Row:
    return {**place, "datasets": in_tables(place["datasets"])}


def _is_on_path(before: Place, after: Place) -> bool:
    same = all(before[key] == after[key] for key in ("network", "seed", "importance"))
    path, length = list(after["datasets"]), len(before["datasets"])
    of_path = before["method"] in (FIRST, after["method"])
    return same and of_path and length < len(path) and list(before["datasets"]) == path[:length]
