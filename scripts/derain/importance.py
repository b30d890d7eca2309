"""Importance of every weight (NR, Eq. 9): Ω = E over (x, y) of |∂L(f(x; θ), y)/∂θ| at the frozen θ = θⁿ.

The absolute value stands inside the expectation, so every sample needs its own gradient: the gradient of a batch
mean lets samples of opposite sign cancel. Where a weight is used T times (recurrent stages), the gradients of its
uses are summed before the absolute value; autograd does that, since the uses share one tensor.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from derain.losses import Loss


def importance_sum(
    network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], loss: Loss
) -> tuple[dict[str, Tensor], int]:
    """Σ over samples of |∂L/∂θ| in float64, and the number of samples.

    network: f(·; θⁿ), left as it is; batches: (rainy, clean), each (B, 3, H, W) in [0, 1]; loss: one value a sample.
    Sums rather than means, so that shards add up exactly: see `derain.omega.merge`.
    """
    parameters = dict(network.named_parameters())
    sums = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in parameters.items()}
    samples = 0
    for rainy, clean in batches:
        for x, y in zip(torch.split(rainy, 1), torch.split(clean, 1), strict=True):
            gradients = torch.autograd.grad(loss(network(x), y).sum(), list(parameters.values()))
            for total, gradient in zip(sums.values(), gradients, strict=True):
                total += gradient.abs()
            samples += 1
    return sums, samples
