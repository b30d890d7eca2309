"""Distillation from the network of the earlier datasets, f(·; θⁿ), on the *new* rainy inputs (Learning without
Forgetting, Li & Hoiem 2016): D(θ) = mean over the batch of ℓ(f(O; θ), f(O; θⁿ)).

It is in units of the training loss when ℓ is that loss.
"""

import copy

import torch
from torch import Tensor, nn

from derain.losses import Loss


class Distillation:
    """D for one stage, a callable on (rainy inputs, outputs of the moving network); a scalar.

    teacher: the network at θⁿ; it is copied and frozen here, so that the training cannot move it.
    """

    def __init__(self, teacher: nn.Module, loss: Loss) -> None:
        self.teacher = copy.deepcopy(teacher).requires_grad_(False).eval()
        self.loss = loss

    def __call__(self, rainy: Tensor, output: Tensor) -> Tensor:
        """D of a batch. rainy, output: (B, 3, H, W)."""
        with torch.no_grad():
            target = self.teacher(rainy)
        return self.loss(output, target).mean()
