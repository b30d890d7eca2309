"""Per-image scores as a tidy table: one row for each image and rounding."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from derain.data.store import PackedPairs
from derain.evaluation.metrics import METRICS, WANG2009, score
from derain.evaluation.previews import crop
from derain.evaluation.rounding import ROUNDINGS
from derain.files.rows import write_rows

Image = NDArray[np.uint8]
ScoreRow = Mapping[str, float | str]
RAINY_COLUMNS = ("dataset", "image", *METRICS)
COLUMNS = ("dataset", "image", "rounding", *METRICS)


def score_outputs(
    dataset: str,
    pairs: PackedPairs,
    output: Callable[[Image], NDArray[np.float32]],
    roundings: Sequence[str],
    previews: Collection[int] = (),
    protocol: str = WANG2009,
) -> tuple[list[ScoreRow], dict[str, Image]]:
    """Score output(rainy), (H, W, 3) in [0, 1], against the clean images, and keep some outputs as previews.

    Returns a row for each pair and rounding, and 8-bit images (nearest, cropped) of the pairs whose indices are in
    `previews`, by "dataset/index". protocol: of `ssim`. Each image is restored once. Real rain has no clean images and
    therefore no rows.
    """
    rows: list[ScoreRow] = []
    shown = {}
    for n, (row, (rainy, clean)) in enumerate(zip(pairs.rows, pairs, strict=True)):
        if clean is None and n not in previews:
            continue
        restored = output(rainy)
        if clean is not None:
            for name in roundings:
                place = {"dataset": dataset, "image": row.name, "rounding": name}
                rows.append({**place, **score(ROUNDINGS[name](restored), clean, protocol)})
        if n in previews:
            shown[f"{dataset}/{n}"] = crop(ROUNDINGS["nearest"](restored))
    return rows, shown


def score_rainy(dataset: str, pairs: PackedPairs, protocol: str = WANG2009) -> list[ScoreRow]:
    """A row for each pair: scores of the rainy image itself, which is 8-bit already, against the clean one."""
    return [
        {"dataset": dataset, "image": row.name, **score(rainy, clean, protocol)}
        for row, (rainy, clean) in zip(pairs.rows, pairs, strict=True)
        if clean is not None
    ]


def write_scores(path: str | Path, rows: Sequence[ScoreRow], columns: Sequence[str] = COLUMNS) -> None:
    """Write the rows as CSV, PSNR and SSIM with 6 decimals."""
    texts = ({key: f"{value:.6f}" if isinstance(value, float) else value for key, value in row.items()} for row in rows)
    write_rows(Path(path), list(columns), texts)
