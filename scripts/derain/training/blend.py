"""Validates blends of θ of a training with θ of the stage before, and takes one of them (rule `blend`)."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from derain.data.store import PackedPairs
from derain.evaluation.validation import validate
from derain.files.tensors import Arrays
from derain.networks.weights import load_arrays
from derain.plan.recipes import BlendRecipe
from derain.training.search import Candidate, choose, moves, rainy_psnr


def take_blend(
    recipe: BlendRecipe, network: nn.Module, before: Arrays, thetas: Mapping[float, Arrays], pairs: PackedPairs
) -> tuple[float, list[dict[str, Any]]]:
    """The α that is taken, and a row for each blend: alpha, validation_psnr_rgb_db, relative_move, rainy_psnr_rgb_db,
    chosen.

    That is the only α of the recipe; with `give_up`, the one that `choose` chooses. network: θ is loaded into it;
    before: θⁿ without buffers; thetas: the blends by α, the trained θ (α = 1) included; pairs: validation pairs of the
    new dataset.
    """
    candidates = {}
    for alpha, theta in thetas.items():
        load_arrays(network, theta)
        # As a strength, 1 − α holds the network back.
        candidates[alpha] = Candidate(1 - alpha, validate(network, pairs), *moves(before, theta, None))
    rainy, taken = rainy_psnr(pairs), recipe.alphas[0]
    if recipe.give_up is not None:
        best = choose(list(candidates.values()), rainy, recipe.give_up)
        taken = next(alpha for alpha, each in candidates.items() if each is best)
    rows = [
        {"alpha": alpha, "validation_psnr_rgb_db": each.validation_psnr_rgb_db, "relative_move": each.relative_move}
        | {"rainy_psnr_rgb_db": rainy, "chosen": alpha == taken}
        for alpha, each in candidates.items()
    ]
    return taken, rows
