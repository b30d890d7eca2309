"""Importance and movement of the weights by layer: tables of Ω and θ, computed with NumPy arrays.

A layer is all tensors that share a name up to the last dot: `conv_i.0` holds a weight and a bias.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from derain.curriculum import FIRST, in_tables
from derain.evaluation.source import Source
from derain.files import tensors

Tensors = Mapping[str, NDArray[np.float32]]
Row = dict[str, Any]

# Edges of the histogram of log10 Ω. Values outside are counted in the outermost bins.
LOG10_EDGES = np.linspace(-10, 2, 49)
# Share of the weights that counts as most important. Two random sets of this share also have this overlap.
TOP = 0.1


def layers(tensors: Tensors) -> dict[str, list[str]]:
    """Names of the tensors of each layer, in the order of the file."""
    found: dict[str, list[str]] = {}
    for name in tensors:
        found.setdefault(name.rpartition(".")[0] or name, []).append(name)
    return found


def sums_of_layers(omega: Tensors) -> Iterator[Row]:
    """Of each layer: number of weights, mean Ω, share of the sum of Ω over the whole network (0 if the sum is 0)."""
    total = sum(float(part.sum(dtype=np.float64)) for part in omega.values())
    for layer, names in layers(omega).items():
        inside = sum(float(omega[name].sum(dtype=np.float64)) for name in names)
        size = sum(omega[name].size for name in names)
        yield {"layer": layer, "weights": size, "mean": inside / size, "share": inside / total if total else 0.0}


def histogram(omega: Tensors) -> Iterator[Row]:
    """Share of the weights in each non-empty bin of log10 Ω; weights with Ω = 0 are in the lowest bin."""
    values = _flat(omega)
    logs = np.log10(np.maximum(values, 10.0 ** LOG10_EDGES[0]))
    counts, _ = np.histogram(np.clip(logs, LOG10_EDGES[0], LOG10_EDGES[-1]), LOG10_EDGES)
    for low, high, count in zip(LOG10_EDGES[:-1], LOG10_EDGES[1:], counts, strict=True):
        if count:
            yield {"log10_low": low, "log10_high": high, "share": count / values.size}


def most_important(omega: Tensors) -> NDArray[np.bool_]:
    """Mask of the most important TOP of all weights, tensors concatenated by name; ties go to the first."""
    values = _flat(omega)
    chosen = np.zeros(values.size, bool)
    chosen[np.argsort(-values, kind="stable")[: max(1, round(TOP * values.size))]] = True
    return chosen


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Share of the weights in a that are in b, masks of `most_important`: 1 for equal Ω, about TOP by chance."""
    return float((a & b).sum() / a.sum())


def relative_move(before: Tensors, after: Tensors, names: Iterable[str]) -> float:
    """‖θ − θⁿ‖/‖θⁿ‖ of the tensors of these names together, in float64; NaN if all were 0."""
    names = list(names)
    moved = sum(float(np.square(after[name].astype(np.float64) - before[name]).sum()) for name in names)
    length = sum(float(np.square(before[name].astype(np.float64)).sum()) for name in names)
    return float((moved / length) ** 0.5) if length else float("nan")


def moves_of_layers(before: Tensors, after: Tensors) -> Iterator[Row]:
    """The `relative_move` of each layer in a stage."""
    for layer, names in layers(before).items():
        yield {"layer": layer, "relative_move": relative_move(before, after, names)}


def _flat(omega: Tensors) -> NDArray[np.float32]:
    return np.concatenate([omega[name].ravel() for name in sorted(omega)])


def importance(sources: Iterable[Source]) -> pd.DataFrame:
    """`sums_of_layers` of each Ω file, after the columns of its stage (network, seed, method, datasets, importance).

    sources: Ω of stages' last datasets at their θ, as for the two tables below.
    """
    return pd.DataFrame([stage | row for stage, omega in _omegas(sources) for row in sums_of_layers(omega)])


def distribution(sources: Iterable[Source]) -> pd.DataFrame:
    """`histogram` of each Ω file, after the columns of its stage."""
    return pd.DataFrame([stage | row for stage, omega in _omegas(sources) for row in histogram(omega)])


def overlaps(sources: Iterable[Source]) -> pd.DataFrame:
    """The `overlap` of each Ω with that of each `earlier` dataset of the same path, after the columns of its stage."""
    rows: list[Row] = []
    seen: list[tuple[Row, NDArray[np.bool_]]] = []
    for stage, omega in _omegas(sources):
        chosen = most_important(omega)
        rows += [
            stage | {"earlier": _datasets(before)[-1], "overlap": overlap(earlier, chosen)}
            for before, earlier in seen
            if _is_on_path(before, stage)
        ]
        seen.append((stage, chosen))
    columns = ["network", "seed", "method", "datasets", "importance", "earlier", "overlap"]  # if there are no rows
    return pd.DataFrame(rows, columns=None if rows else columns)


def moves(sources: Iterable[Source]) -> pd.DataFrame:
    """`moves_of_layers`, after the columns of the stage. sources: stages with a past, with θ before and after."""
    rows: list[Row] = []
    for place, files in sources:
        before, after = (tensors.parameters(file) for file in files)
        rows += [_in_tables(place) | row for row in moves_of_layers(before, after)]
    return pd.DataFrame(rows)


def _omegas(sources: Iterable[Source]) -> Iterator[tuple[Row, Tensors]]:
    """The columns of each stage and its Ω; stages of fewer datasets come first."""
    for place, (file,) in sorted(sources, key=lambda source: len(source[0]["datasets"])):
        yield _in_tables(place), tensors.read(file)[0]


def _in_tables(place: Mapping[str, Any]) -> Row:
    return {**place, "datasets": in_tables(place["datasets"])}


def _datasets(stage: Row) -> list[str]:
    return stage["datasets"].split(">")


def _is_on_path(before: Row, after: Row) -> bool:
    same = all(before[key] == after[key] for key in ("network", "seed", "importance"))
    of_path = before["method"] in (FIRST, after["method"])
    return same and of_path and after["datasets"].startswith(before["datasets"] + ">")
