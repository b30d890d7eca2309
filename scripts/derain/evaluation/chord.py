"""The chord of a stage: scores of the blends between its θⁿ and θⁿ⁺¹ (derain.method.blend), old datasets against new.

Fine-tuning and one number α cost no training, so the chord of fine-tuning is the line that a method has to be above.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from derain.curriculum import in_tables
from derain.evaluation.metrics import METRICS, scores_in_means
from derain.evaluation.reading import read_table
from derain.evaluation.source import PLAIN, Source

SIDES = [f"{side}_{metric}" for side in ("old", "new") for metric in METRICS]
OF_STAGE = ["network", "seed", "method", "datasets"]
COLUMNS = [*OF_STAGE, "rounding", "importance", "alpha", "line", *SIDES]
POINT = ["network", "seed", "method", "order", "stage"]
Point = tuple[float, float]


def chord_table(sources: Iterable[Source]) -> pd.DataFrame:
    """A row (COLUMNS) for each blend of each stage and rounding, α = 0 (θⁿ) and 1 (θⁿ⁺¹) included.

    sources: stages, each with `blends`, the (kind of Ω or PLAIN, α) of its last files, which are per-image scores of
    the blends; the files before them are the scores of the stage before and of the stage itself, the same number of
    each. `line`: whether the plain blends of the stage are the line to beat.
    """
    rows = [row for stage, files in sources for row in _rows(stage, files)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(stage: Mapping[str, Any], files: Sequence[str]) -> Iterator[dict[str, Any]]:
    blends = [(kind, alpha) for kind, alpha in stage["blends"]]
    parts = (len(files) - len(blends)) // 2
    before, after = (pd.concat(map(read_table, files[n * parts : (n + 1) * parts])) for n in range(2))
    scored = dict(zip(blends, map(read_table, files[2 * parts :]), strict=True))
    for kind in dict.fromkeys(kind for kind, _ in blends):
        scored |= {(kind, 0.0): before, (kind, 1.0): after}
    place = {key: stage[key] for key in OF_STAGE[:-1]} | {"datasets": in_tables(stage["datasets"])}
    for kind, alpha in sorted(scored):
        table, line = scored[kind, alpha], stage["line"] and kind == PLAIN
        for rounding in dict.fromkeys(table["rounding"]):
            sides = _sides(_means(table[table["rounding"] == rounding]), stage["datasets"])
            yield place | {"rounding": rounding, "importance": kind, "alpha": alpha, "line": line} | sides


def _means(scores: pd.DataFrame) -> pd.DataFrame:
    """Means over images by dataset, as in the matrix."""
    return scores_in_means(scores).groupby("dataset")[list(METRICS)].mean()


def _sides(means: pd.DataFrame, datasets: Sequence[str]) -> dict[str, float]:
    """old_<metric>: mean over the datasets before the last one; new_<metric>: of the last. NaN for datasets without
    scores.
    """
    old, new = means.reindex(list(datasets[:-1])), means.reindex([datasets[-1]])
    return {f"old_{name}": old[name].mean() for name in METRICS} | {
        f"new_{name}": new[name].iloc[0] for name in METRICS
    }


def points(matrix: pd.DataFrame) -> pd.DataFrame:
    """(old, new) scores of every method, joint networks too, at each stage after its first, as in `chord_table`.

    matrix: tables/matrix.csv, of one rounding. Columns: POINT, `datasets` (learned so far, as in the tables) and SIDES.
    """
    runs = matrix[matrix["order"].str.contains(">") & (matrix["stage"] > 1)]
    rows = []
    for key, run in runs.groupby(POINT, sort=False):
        order, stage = key[-2:]
        datasets = order.split(">")[:stage]
        sides = _sides(run.set_index("dataset")[list(METRICS)], datasets)
        rows.append(dict(zip(POINT, key, strict=True)) | {"datasets": in_tables(datasets)} | sides)
    return pd.DataFrame(rows, columns=[*POINT, "datasets", *SIDES])


def height(line: Sequence[Point], old: float) -> float:
    """The score on the new dataset that the chord has at the score `old` on the old ones.

    line: its points (oₖ, nₖ) by rising α, from α = 0 to 1. It is piecewise linear in the (old, new) plane: between
    neighbours, n = nₖ + (nₖ₊₁ − nₖ)·(old − oₖ)/(oₖ₊₁ − oₖ). Outside the range of the oₖ, old is set to the nearest end
    of the range. Where several parts have this old score, the highest n counts, because it is the better rival.
    """
    ends = [o for o, _ in line]
    at = min(max(old, min(ends)), max(ends))
    found = [n for o, n in line if o == at]
    for (o, n), (further, above) in pairwise(line):
        if min(o, further) < at < max(o, further):
            found.append(n + (above - n) * (at - o) / (further - o))
    return max(found)


def above_chord(matrix: pd.DataFrame, chord: pd.DataFrame, metric: str) -> pd.DataFrame:
    """POINT, and `above`: the new score of each point of `points` minus the `height` of the line to beat at its old
    score, the line of the same network, seed and datasets. Points without a line, or without scores, are left out.

    chord: of `chord_table`, of one rounding.
    """
    lines = {
        key: list(zip(of_stage[f"old_{metric}"], of_stage[f"new_{metric}"], strict=True))
        for key, of_stage in chord[chord["line"].astype(bool)]
        .sort_values("alpha", kind="stable")
        .groupby(["network", "seed", "datasets"], sort=False)
    }
    rows = []
    for _, point in points(matrix).iterrows():
        line = lines.get((point["network"], point["seed"], point["datasets"]), [])
        old, new = point[f"old_{metric}"], point[f"new_{metric}"]
        if line and np.isfinite([old, new, *sum(line, ())]).all():
            rows.append({**point[POINT], "above": new - height(line, old)})
    return pd.DataFrame(rows, columns=[*POINT, "above"])
