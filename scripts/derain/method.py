"""What a method adds to the loss of a stage with a past: penalty, distillation, replay, each with its strength."""

from collections.abc import Mapping

import torch
from torch import nn

from derain import weights
from derain.distillation import Distillation
from derain.job import REPLAY, Job
from derain.losses import LOSSES
from derain.memory import Replay
from derain.penalty import Penalty
from derain.training import Term


def ingredients(network: nn.Module, job: Job, past: Mapping[str, str]) -> dict[str, Term]:
    """Terms of the loss by name. network: at θⁿ, where the stage starts; past: files by what they hold, "omega" (Ω̄;
    without it Ω = 1) and "memory", as the method needs them.

    The spec of the job holds "penalty" {form, strength, normalisation}, "distillation" {loss, strength} and "replay"
    {strength}, each only where it acts.
    """
    spec = job.spec
    terms: dict[str, Term] = {}
    if "penalty" in spec:
        terms["penalty"] = _penalty(network, past.get("omega"), **spec["penalty"])
    if "distillation" in spec:
        terms["distillation"] = _distillation(network, **spec["distillation"])
    if "replay" in spec:
        seed = (job.spec["seed"], REPLAY, job.spec["depth"])
        replay = Replay(weights.read(past["memory"])[0], job.recipe.batch, seed, LOSSES[job.recipe.loss])
        strength = spec["replay"]["strength"]
        terms["replay"] = lambda moving, seen: strength * replay(moving, seen.step)
    return terms


def _penalty(network: nn.Module, omega: str | None, form: str, strength: float, normalisation: str) -> Term:
    device = next(network.parameters()).device
    theta_star = {name: theta.detach().clone() for name, theta in network.named_parameters()}
    if omega is None:
        importance = {name: torch.ones_like(theta) for name, theta in theta_star.items()}
    else:
        importance = {name: torch.from_numpy(array).to(device) for name, array in weights.read(omega)[0].items()}
    penalty = Penalty(theta_star, importance, form, normalisation)
    return lambda moving, seen: strength * penalty(moving)


def _distillation(network: nn.Module, loss: str, strength: float) -> Term:
    distillation = Distillation(network, LOSSES[loss])
    return lambda moving, seen: strength * distillation(seen.rainy, seen.output)
