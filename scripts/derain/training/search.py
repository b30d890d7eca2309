"""Chooses a method's strengths from data that a continual learner may use: the new dataset and the frozen old network.

It follows the continual hyper-parameter framework of De Lange et al. (TPAMI 2021): start from maximal plasticity (all
strengths 0), then keep as much stability as a given loss of plasticity allows. A candidate multiplies all strengths of
the method by the same scale. Neither old images nor test images enter the choice.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derain.data.images import Pixels
from derain.evaluation.layers import relative_move
from derain.evaluation.psnr import in_means, psnr
from derain.files import tensors
from derain.plan.recipes import ChoiceRecipe


@dataclass(frozen=True)
class Candidate:
    """A scale of the strengths, and the result of training with it.

    validation_psnr_rgb_db: on held-out pairs of the new dataset, at the end; relative_move: ‖θ − θⁿ‖/‖θⁿ‖; bound:
    Σ Ω̄|θ − θⁿ|, or NaN without Ω̄.
    """

    scale: float
    validation_psnr_rgb_db: float
    relative_move: float
    bound: float


def search_rows(
    recipe: ChoiceRecipe,
    pairs: Iterable[tuple[Pixels, Pixels | None]],
    theta: str,
    omega: str | None,
    thetas: Sequence[str],
    trainings: Sequence[str],
) -> list[dict[str, Any]]:
    """A row for each candidate: its fields, rainy_psnr_rgb_db, and whether it is the chosen one.

    pairs: validation pairs of the new dataset; theta, omega: files of θⁿ and of Ω̄, None without Ω̄; thetas, trainings:
    files of θ and training table of each candidate, in the order of the scales of the recipe.
    """
    rainy = rainy_psnr(pairs)
    before = tensors.parameters(theta)
    weighted = tensors.read(omega)[0] if omega else None
    candidates = []
    for scale, after, training in zip(recipe.scales, thetas, trainings, strict=True):
        move, bound = moves(before, tensors.read(after)[0], weighted)
        candidates.append(Candidate(scale, last_validation(training), move, bound))
    chosen = choose(candidates, rainy, recipe.give_up)
    return [{**asdict(each), "rainy_psnr_rgb_db": rainy, "chosen": each is chosen} for each in candidates]


def choose(candidates: list[Candidate], rainy_psnr_rgb_db: float, give_up: float) -> Candidate:
    """The candidate of the largest scale that keeps at least (1 − give_up) of the gain of scale 0 over the rainy input.

    rainy_psnr_rgb_db: of the held-out rainy images. Scale 0 must be among the candidates and always qualifies. If it
    gained nothing, the others must reach its PSNR.
    """
    free = next(candidate for candidate in candidates if candidate.scale == 0).validation_psnr_rgb_db
    wanted = free - give_up * max(free - rainy_psnr_rgb_db, 0)
    good = [candidate for candidate in candidates if candidate.validation_psnr_rgb_db >= wanted]
    return max(good, key=lambda candidate: candidate.scale)


def rainy_psnr(pairs: Iterable[tuple[Pixels, Pixels | None]]) -> float:
    """PSNR on RGB of the rainy images of pairs, mean, dB. Pairs without a clean image do not count."""
    shown = ((rainy.astype(float), clean.astype(float)) for rainy, clean in pairs if clean is not None)
    return float(np.mean([in_means(psnr(rainy, clean)) for rainy, clean in shown]))


def moves(
    before: Mapping[str, NDArray[np.float32]],
    after: Mapping[str, NDArray[np.float32]],
    omega: Mapping[str, NDArray[np.float32]] | None,
) -> tuple[float, float]:
    """(relative_move, bound) of a `Candidate`. before: θⁿ; after: θ; omega: Ω̄, or None."""
    moved = relative_move(before, after, before)
    if not omega:
        return moved, float("nan")
    return moved, sum(
        float((of * np.abs(after[name].astype(np.float64) - before[name])).sum()) for name, of in omega.items()
    )


def last_validation(table: str | Path) -> float:
    """validation_psnr_rgb_db at the end of a training, from its table; NaN if it was not measured."""
    with Path(table).open(newline="", encoding="utf-8") as file:
        return float(list(csv.DictReader(file))[-1]["validation_psnr_rgb_db"] or "nan")
