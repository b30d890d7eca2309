"""What a method adds to the loss of a stage with a past: its penalty, its distillation, each with its strength."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from derain import weights
from derain.distillation import Distillation
from derain.losses import LOSSES
from derain.penalty import Penalty
from derain.training import Term


def ingredients(network: nn.Module, spec: Mapping[str, Any], omega: str | None) -> dict[str, Term]:
    """Terms of the loss by name. network: at θⁿ, where the stage starts; omega: file of Ω̄, for a penalty.

    spec: "penalty" {form, strength, normalisation} and "distillation" {loss, strength}, each only where it acts.
    """
    terms: dict[str, Term] = {}
    if "penalty" in spec:
        assert omega is not None
        terms["penalty"] = _penalty(network, omega, **spec["penalty"])
    if "distillation" in spec:
        terms["distillation"] = _distillation(network, **spec["distillation"])
    return terms


def _penalty(network: nn.Module, omega: str, form: str, strength: float, normalisation: str) -> Term:
    device = next(network.parameters()).device
    theta_star = {name: theta.detach().clone() for name, theta in network.named_parameters()}
    importance = {name: torch.from_numpy(array).to(device) for name, array in weights.read(omega)[0].items()}
    penalty = Penalty(theta_star, importance, form, normalisation)
    return lambda moving, rainy, output: strength * penalty(moving)


def _distillation(network: nn.Module, loss: str, strength: float) -> Term:
    distillation = Distillation(network, LOSSES[loss])

    def term(moving: nn.Module, rainy: Tensor, output: Tensor) -> Tensor:
        return strength * distillation(rainy, output)

    return term
