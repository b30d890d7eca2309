"""Distillation from the network of the earlier datasets, f(·; θⁿ), on the *new* rainy inputs (Learning without
Forgetting, Li & Hoiem 2016): D(θ) = mean over the batch of ℓ(f(O; θ), f(O; θⁿ)).

D has the unit of the training loss if ℓ is that loss.

The new rain does not cover the weaker or stronger rain that the old network can remove. By the rain model O = B + R
(NR, Eq. 1), the new pairs also give rain of other strengths, Oₛ = clip(B + s·R), on which D can be computed instead:
with s from a range, or with the s that gives each sample an intensity of old rain (derain.method.intensity). No old
image enters.
"""

import copy
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from derain.method.intensity import factors_in, factors_to, rain_of_other_strength
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


def term(
    network: nn.Module,
    state: Mapping[str, NDArray[np.float32]] | None,
    seed: Sequence[int],
    *,
    loss: str,
    strength: float,
    rain: Sequence[float],
) -> Term:
    """Strength · D(θ). network: the teacher, at θⁿ; state: old intensities by dataset, for `factors_to`, or None; then
    rain: `bounds` of `factors_in`, (1, 1): unchanged.
    """
    factors = _factors(state, rain)
    distillation = Distillation(network, LOSSES[loss])
    root, depth = seed

    def distilled(moving: nn.Module, seen: Seen) -> Tensor:
        if factors is None:
            return strength * distillation(seen.rainy, seen.output)
        s = factors(seen, (root, STREAM, depth, seen.step))
        rainy = rain_of_other_strength(seen.rainy, seen.clean, s)
        return strength * distillation(rainy, moving(rainy))

    return distilled


def _factors(
    state: Mapping[str, NDArray[np.float32]] | None, rain: Sequence[float]
) -> Callable[[Seen, Sequence[int]], Tensor] | None:
    """Return the function of (samples, seed of the draw) that gives s of each sample; None where s is always 1."""
    if state:
        old = [state[name] for name in sorted(state)]
        return lambda seen, drawn: factors_to(old, seen.rainy, seen.clean, drawn, seen.first)
    low, high = rain
    if low == high == 1:
        return None
    return lambda seen, drawn: factors_in((low, high), seen.rainy, drawn, seen.first)
