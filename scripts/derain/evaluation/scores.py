"""Per-image scores as a tidy table: one row for each image and rounding."""

import csv
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from derain.data.parallel import in_turn, processors
from derain.data.store import PackedPairs
from derain.errors import UserError, reason_of, shown
from derain.evaluation.metrics import METRICS, WANG2009, score
from derain.evaluation.previews import crop
from derain.evaluation.rounding import ROUNDINGS
from derain.files.rows import write_rows

if TYPE_CHECKING:
    from torch import nn

Image = NDArray[np.uint8]
ScoreRow = Mapping[str, float | str]
MOST = 8  # threads that score; each may hold two images
RAINY_COLUMNS = ("dataset", "image", *METRICS)
COLUMNS = ("dataset", "image", "rounding", *METRICS)


def score_outputs(
    dataset: str,
    pairs: PackedPairs,
    output: Callable[[Image], NDArray[np.float32]],
    roundings: Sequence[str],
    previews: Collection[int] = (),
    protocol: str = WANG2009,
    scorers: int = 0,
) -> tuple[list[ScoreRow], dict[str, Image]]:
    """Score output(rainy), (H, W, 3) in [0, 1], against the clean images, and keep some outputs as previews.

    Returns a row for each pair and rounding, and 8-bit images (nearest, cropped) of the pairs whose indices are in
    `previews`, by "dataset/index". protocol: of `ssim`; scorers: threads that score images while the next one is
    restored, without effect on the rows; 0: this thread scores. Each image is restored once. Real rain has no clean
    images and therefore no rows.
    """
    shown = {}

    def to_score() -> Iterator[Callable[[], list[ScoreRow]]]:
        for n, (row, (rainy, clean)) in enumerate(zip(pairs.rows, pairs, strict=True)):
            if clean is None and n not in previews:
                continue
            restored = output(rainy)
            if n in previews:
                shown[f"{dataset}/{n}"] = crop(ROUNDINGS["nearest"](restored))
            if clean is not None:
                yield partial(_rows, {"dataset": dataset, "image": row.name}, restored, clean, roundings, protocol)

    rows = [row for of_image in in_turn(to_score(), scorers) for row in of_image]
    return rows, shown


def idle_processors(network: "nn.Module") -> int:
    """Processors that are free to score images while the network restores: those of this process where a CUDA device
    restores; none on the CPU, where the network needs them.
    """
    return min(processors(), MOST) if next(network.parameters()).device.type == "cuda" else 0


def _rows(
    place: Mapping[str, str], restored: NDArray[np.float32], clean: Image, roundings: Sequence[str], protocol: str
) -> list[ScoreRow]:
    return [{**place, "rounding": name, **score(ROUNDINGS[name](restored), clean, protocol)} for name in roundings]


def score_rainy(dataset: str, pairs: PackedPairs, protocol: str = WANG2009) -> list[ScoreRow]:
    """A row for each pair: scores of the rainy image itself, which is 8-bit already, against the clean one."""
    return [
        {"dataset": dataset, "image": row.name, **score(rainy, clean, protocol)}
        for row, (rainy, clean) in zip(pairs.rows, pairs, strict=True)
        if clean is not None
    ]


def psnr_of_rainy(table: str | Path, images: Collection[str]) -> dict[str, float]:
    """PSNR on Y of rainy images, dB, by image, from a table of `score_rainy`; images: those that are in it, at least.
    The table is read with csv, because every job that scores reads it, and pandas is slow to import. Raises UserError
    if it is no such table.
    """
    found, reason = {}, ""
    try:
        with Path(table).open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if {"image", "psnr_y_db"} <= {*(rows.fieldnames or ())}:
                found = {row["image"]: float(row["psnr_y_db"] or "") for row in rows}
            else:
                reason = "columns are missing"
    except (OSError, ValueError, csv.Error) as error:
        reason = reason_of(error)
    if not reason and not found.keys() >= {*images}:
        reason = "it has no scores of some images"
    if reason:
        raise UserError(f"{shown(str(table))}: cannot be read as a table of rainy images ({reason})")
    return found


def write_scores(path: str | Path, rows: Sequence[ScoreRow], columns: Sequence[str] = COLUMNS) -> None:
    """Write the rows as CSV, PSNR and SSIM with 6 decimals."""
    write_rows(Path(path), list(columns), rows, ".6f")
