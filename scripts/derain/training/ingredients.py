"""What a method adds to a stage with a past: terms of the loss, and a memory that rains on its batches."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from derain.files import tensors
from derain.method.distillation import Distillation, rain_of_other_strength
from derain.method.losses import LOSSES
from derain.method.memory import WithMemory
from derain.method.penalty import Penalty
from derain.training.job import DISTILLATION, REHEARSAL, TRAINING, Job
from derain.training.loop import Seen, Term


def ingredients(network: nn.Module, job: Job, past: Mapping[str, str]) -> dict[str, Term]:
    """Terms of the loss by name. network: at θⁿ, where the stage starts; past: files by what they hold, "omega": Ω̄,
    without which Ω = 1.

    The spec of the job holds "penalty" {form, strength, normalisation} and "distillation" {loss, strength, rain}, each
    only where it acts.
    """
    spec = job.spec
    terms: dict[str, Term] = {}
    if "penalty" in spec:
        terms["penalty"] = _penalty(network, past.get("omega"), **spec["penalty"])
    if "distillation" in spec:
        terms["distillation"] = _distillation(
            network, (spec["seed"], DISTILLATION, spec["depth"]), **spec["distillation"]
        )
    return terms


def batches(job: Job, past: Mapping[str, str]) -> Dataset[tuple[Tensor, Tensor]]:
    """The batches of the stage. past: as above, with "memory" where the spec holds "memory" {share, vary}."""
    new = job.batches(TRAINING, job.recipe.batch)
    if "memory" not in job.spec:
        return new
    seed = (job.spec["seed"], REHEARSAL, job.spec["depth"])
    return WithMemory(new, tensors.read(past["memory"])[0], seed=seed, **job.spec["memory"])


def _penalty(network: nn.Module, omega: str | None, form: str, strength: float, normalisation: str) -> Term:
    device = next(network.parameters()).device
    theta_star = {name: theta.detach().clone() for name, theta in network.named_parameters()}
    if omega is None:
        importance = {name: torch.ones_like(theta) for name, theta in theta_star.items()}
    else:
        importance = {name: torch.from_numpy(array).to(device) for name, array in tensors.read(omega)[0].items()}
    penalty = Penalty(theta_star, importance, form, normalisation)
    return lambda moving, seen: strength * penalty(moving)


def _distillation(
    network: nn.Module, seed: tuple[int, ...], loss: str, strength: float, rain: tuple[float, float]
) -> Term:
    distillation = Distillation(network, LOSSES[loss])

    def term(moving: nn.Module, seen: Seen) -> Tensor:
        if rain[0] == rain[1] == 1:
            return strength * distillation(seen.rainy, seen.output)
        rainy = rain_of_other_strength(seen.rainy, seen.clean, rain, (*seed, seen.step), seen.first)
        return strength * distillation(rainy, moving(rainy))

    return term
