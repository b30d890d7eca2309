"""Distillation from the network of the earlier datasets, f(·; θⁿ), on the *new* rainy inputs (Learning without
Forgetting, Li & Hoiem 2016): D(θ) = mean over the batch of ℓ(f(O; θ), f(O; θⁿ)).

D has the unit of the training loss if ℓ is that loss.

The new rain does not cover the weaker or stronger rain that the old network can remove. By the rain model O = B + R
(NR, Eq. 1), the new pairs also give rain of other strengths, Oₛ = clip(B + s·R), on which D can be computed instead
(`rain_of_other_strength`). No old data enter.

With samples "memory", D is the mean over the old samples of a batch alone (derain.method.memory): there the old network
has learned the rain, and the new rain is left to the training loss.
"""

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from derain.method.losses import LOSSES, Loss
from derain.method.step import Seen, Term

STREAM = 6  # random stream (derain.training.streams)


class Distillation:
    """D for one stage: a callable on (rainy inputs, outputs of the network in training) that returns a scalar.

    teacher: the network at θⁿ. It is copied and frozen here, so that the training does not change it.
    """

    def __init__(self, teacher: nn.Module, loss: Loss) -> None:
        self.teacher = copy.deepcopy(teacher).requires_grad_(False).eval()
        self.loss = loss

    def __call__(self, rainy: Tensor, output: Tensor) -> Tensor:
        """D of a batch. rainy, output: (B, 3, H, W)."""
        with torch.no_grad():
            target = self.teacher(rainy)
        return self.loss(output, target).mean()


def rain_of_other_strength(
    rainy: Tensor, clean: Tensor, factors: tuple[float, float], seed: Sequence[int], first: int = 0
) -> Tensor:
    """Oₛ = clip(B + s·(O − B)) of a batch; s is drawn for each sample, log-uniform in `factors` (low, high).

    rainy, clean: (B, 3, H, W) in [0, 1], a batch, or the part of a batch that begins at sample `first`. s is a pure
    function of the seed and of the sample's place in the batch, so a batch can be computed in parts.
    """
    low, high = (math.log(factor) for factor in factors)
    drawn = np.exp(np.random.default_rng(seed).uniform(low, high, first + len(rainy))[first:])
    # Without non_blocking, the copy would wait until a CUDA device has computed everything before it.
    s = torch.from_numpy(drawn).to(rainy.dtype).to(rainy.device, non_blocking=True)[:, None, None, None]
    return (clean + s * (rainy - clean)).clamp(0, 1)


def term(
    network: nn.Module,
    state: None,
    seed: Sequence[int],
    *,
    loss: str,
    strength: float,
    rain: Sequence[float],
    samples: str = "all",
) -> Term:
    """Strength · D(θ). network: the teacher, at θⁿ; rain: `factors` of `rain_of_other_strength`, (1, 1): unchanged;
    samples: "all", or "memory", those of `Seen.of_memory`.
    """
    del state
    distillation = Distillation(network, LOSSES[loss])
    root, depth = seed

    def of_memory(moving: nn.Module, seen: Seen) -> Tensor:
        old = seen.of_memory
        if not len(old.rainy):
            return seen.output.new_zeros(())
        # The loop weights a part by its share of the batch; here it counts by its share of the old samples.
        weight = (len(old.rainy) / seen.old) / (len(seen.rainy) / seen.size)
        return weight * distilled(moving, old)

    def distilled(moving: nn.Module, seen: Seen) -> Tensor:
        if rain[0] == rain[1] == 1:
            return strength * distillation(seen.rainy, seen.output)
        drawn = (root, STREAM, depth, seen.step)
        rainy = rain_of_other_strength(seen.rainy, seen.clean, (rain[0], rain[1]), drawn, seen.first)
        return strength * distillation(rainy, moving(rainy))

    return distilled if samples == "all" else of_memory
