"""Per-image scores as a tidy table: one row an image, of whatever made it."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from derain.data.store import PackedPairs
from derain.metrics import METRICS, score

Image = NDArray[np.uint8]
COLUMNS = ("dataset", "image", *METRICS)


def score_images(dataset: str, pairs: PackedPairs, restore: Callable[[Image], Image]) -> list[dict[str, float | str]]:
    """A row for each pair: dataset, image, PSNR and SSIM of restore(rainy) against the clean image.

    Real rain without clean images gives no row: there is nothing to score against.
    """
    rows: list[dict[str, float | str]] = []
    for row, (rainy, clean) in zip(pairs.rows, pairs, strict=True):
        if clean is not None:
            rows.append({"dataset": dataset, "image": row.name, **score(restore(rainy), clean)})
    return rows


def write_scores(path: str | Path, rows: list[dict[str, float | str]]) -> None:
    """The rows as CSV, PSNR and SSIM with 6 decimals."""
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: f"{value:.6f}" if isinstance(value, float) else value for key, value in row.items()})
