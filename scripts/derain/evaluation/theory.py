"""The diagnostic of NR, Eqs. 5–8, for one earlier dataset: the change of its loss since θⁿ, compared with the
first-order Taylor estimate and with the bound that the penalty minimises.
"""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from derain.method.losses import Loss


def taylor(then: nn.Module, now: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], loss: Loss) -> dict[str, float]:
    """Over samples (x, y) of the dataset, with Δ = θ − θⁿ:

    loss_then, loss_now: mean L at θⁿ and at θ; change: their difference (Distance of Eq. 5 is its absolute value);
    first_order: ∇L(θⁿ)ᵀΔ, signed; bound: Σ Ω|Δ| with Ω = E|∂L/∂θ| at θⁿ, so |first_order| ≤ bound. All in float64.
    batches: (rainy, clean), each (1, 3, P, P): single samples. The networks are not changed.
    """
    # float64, because differences of nearly equal losses lose digits.
    then, now = (copy.deepcopy(network).double() for network in (then, now))
    theta = dict(then.named_parameters())
    device = next(then.parameters()).device
    sums = {name: torch.zeros_like(p) for name, p in theta.items()}
    absolute = {name: torch.zeros_like(p) for name, p in theta.items()}
    loss_then = loss_now = 0.0
    samples = 0
    for batch in batches:
        x, y = (side.to(device).double() for side in batch)
        value = loss(then(x), y).sum()
        for name, gradient in zip(theta, torch.autograd.grad(value, list(theta.values())), strict=True):
            sums[name] += gradient
            absolute[name] += gradient.abs()
        with torch.no_grad():
            loss_now += loss(now(x), y).sum().item()
        loss_then += value.item()
        samples += 1
    delta = {name: (moved - theta[name]).detach() for name, moved in now.named_parameters()}
    return {
        "loss_then": loss_then / samples,
        "loss_now": loss_now / samples,
        "change": (loss_now - loss_then) / samples,
        "first_order": sum((sums[name] * delta[name]).sum().item() for name in theta) / samples,
        "bound": sum((absolute[name] * delta[name].abs()).sum().item() for name in theta) / samples,
    }
