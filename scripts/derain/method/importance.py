"""Importance of every weight (NR, Eq. 9): Ω = E over (x, y) of |∂L(f(x; θ), y)/∂θ| at the frozen θ = θⁿ.

The absolute value is inside the expectation, so every sample needs its own gradient: in the gradient of a batch mean,
samples of opposite sign cancel. Where a weight is used T times (recurrent stages), the gradients of its uses are
summed before the absolute value; autograd does that, because the uses share one tensor.

Methods differ in the objective, whose gradient is g, and in the power of g. Their public implementations also differ in
what they average over: single samples or batches.

| method | objective | power | mean over |
|---|---|---|---|
| NR | training loss L | abs(g) | single samples |
| PIGWM's code | L | abs(g) | batches |
| EWC (empirical Fisher) | L | g² | single samples; Avalanche's code: batches |
| MAS | squared norm of the output | abs(g) | single samples |
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from derain.method.losses import LOSSES, Loss


def squared_output(output: Tensor, target: Tensor) -> Tensor:
    """‖f(x)‖² of each sample as a mean over its values, so that the patch size does not enter; ignores the target."""
    del target
    return output.square().flatten(1).mean(1)


def objective(of: str, training_loss: str) -> Loss:
    """The objective to differentiate: the training loss (of = "loss") or the squared norm of the output ("output")."""
    return LOSSES[training_loss] if of == "loss" else squared_output


def gradients(network: nn.Module, rainy: Tensor, clean: Tensor, loss: Loss) -> list[Tensor]:
    """∂/∂θ of the mean loss of a batch, one tensor for each parameter. rainy, clean: (B, 3, H, W) in [0, 1], moved to
    the network's device; loss: one value for each sample.
    """
    parameters = list(network.parameters())
    device = parameters[0].device
    mean_loss = loss(network(rainy.to(device)), clean.to(device)).mean()
    return list(torch.autograd.grad(mean_loss, parameters))


def gradients_of_each(network: nn.Module, rainy: Tensor, clean: Tensor, loss: Loss) -> list[Tensor]:
    """∂/∂θ of the loss of each sample of a batch: a tensor (B, *shape of θ) for each parameter. They are computed
    together, with each operator mapped over the samples, and differ from those of `gradients` by rounding alone.
    Arguments as there. Raises RuntimeError if the network has an operator that torch.func cannot map.
    """
    theta = {name: parameter.detach() for name, parameter in network.named_parameters()}
    device = next(network.parameters()).device

    def of_sample(theta: dict[str, Tensor], rainy: Tensor, clean: Tensor) -> Tensor:
        output = functional_call(network, theta, (rainy[None],))
        return loss(output, clean[None]).mean()

    of_each = vmap(grad(of_sample), in_dims=(None, 0, 0))(theta, rainy.to(device), clean.to(device))
    return [of_each[name] for name in theta]


def summand(gradient: Tensor, power: str) -> Tensor:
    """|g| ("absolute") or g² ("squared") of one gradient."""
    return gradient.abs() if power == "absolute" else gradient.double().square()


def zeros(network: nn.Module) -> dict[str, Tensor]:
    """Zero tensors in float64 by parameter name, to sum into."""
    return {name: torch.zeros_like(p, dtype=torch.float64) for name, p in network.named_parameters()}
