"""Choosing a method's strengths from what a continual learner may see: the new dataset, and the frozen old network.

Following the continual hyper-parameter framework of De Lange et al. (TPAMI 2021): start from maximal plasticity (no
strength at all), then keep as much stability as a stated loss of plasticity allows. Candidates scale all strengths
of the method together. Neither old nor test images serve the choice.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from derain.evaluation.layers import relative_move


@dataclass(frozen=True)
class Candidate:
    """A scale of the strengths, and what training with it led to.

    validation_psnr_rgb_db: on held-out pairs of the new dataset, at the end; relative_move: ‖θ − θⁿ‖/‖θⁿ‖; bound:
    Σ Ω̄|θ − θⁿ|, or NaN without Ω̄.
    """

    scale: float
    validation_psnr_rgb_db: float
    relative_move: float
    bound: float


def choose(candidates: list[Candidate], rainy_psnr_rgb_db: float, give_up: float) -> Candidate:
    """The strongest candidate that keeps at least (1 − give_up) of the gain of scale 0 over the rainy input.

    rainy_psnr_rgb_db: of the held-out rainy images. Scale 0 is among the candidates and always qualifies; where it
    gained nothing at all, there is nothing to give up, and others must do as well.
    """
    free = next(candidate for candidate in candidates if candidate.scale == 0).validation_psnr_rgb_db
    wanted = free - give_up * max(free - rainy_psnr_rgb_db, 0)
    good = [candidate for candidate in candidates if candidate.validation_psnr_rgb_db >= wanted]
    return max(good, key=lambda candidate: candidate.scale)


def moves(
    before: Mapping[str, NDArray[np.float32]],
    after: Mapping[str, NDArray[np.float32]],
    omega: Mapping[str, NDArray[np.float32]] | None,
) -> tuple[float, float]:
    """(relative_move, bound) of a candidate; see there."""
    moved = relative_move(before, after, before)
    if not omega:
        return moved, float("nan")
    return moved, sum(
        float((of * np.abs(after[name].astype(np.float64) - before[name])).sum()) for name, of in omega.items()
    )


def last_validation(table: str | Path) -> float:
    """validation_psnr_rgb_db at the end of a training, from its table."""
    with Path(table).open(newline="", encoding="utf-8") as file:
        return float(list(csv.DictReader(file))[-1]["validation_psnr_rgb_db"])
