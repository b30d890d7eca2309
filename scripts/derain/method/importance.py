"""Importance of every weight (NR, Eq. 9): Ω = E over (x, y) of |∂L(f(x; θ), y)/∂θ| at the frozen θ = θⁿ.

The absolute value stands inside the expectation, so every sample needs its own gradient: the gradient of a batch
mean lets samples of opposite sign cancel. Where a weight is used T times (recurrent stages), the gradients of its
uses are summed before the absolute value; autograd does that, since the uses share one tensor.

Rivals differ in what is differentiated and in the power, and their public code in what it takes for a sample:

| method | objective | power | over |
|---|---|---|---|
| NR | training loss L | |g| | single samples |
| PIGWM's code | L | |g| | batches |
| EWC (empirical Fisher) | L | g² | single samples; Avalanche's code: batches |
| MAS | squared norm of the output | |g| | single samples |
"""

from collections.abc import Iterable, Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from derain.method.losses import LOSSES, Loss
from derain.training.checkpoint import Reached
from derain.training.processes import count as processes
from derain.training.processes import of_all_lists, rank


def squared_output(output: Tensor, target: Tensor) -> Tensor:
    """‖f(x)‖² of each sample as a mean over its values, so that the patch size does not enter; needs no target."""
    del target
    return output.square().flatten(1).mean(1)


def objective(of: str, training_loss: str) -> Loss:
    """What is differentiated: the training loss (of = "loss") or the squared norm of the output ("output")."""
    return LOSSES[training_loss] if of == "loss" else squared_output


def importance_sum(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    loss: Loss,
    power: str = "absolute",
    checkpoint: Reached | None = None,
) -> tuple[dict[str, Tensor], int]:
    """Σ over batches of |g| ("absolute") or g² ("squared") in float64, and the number of batches.

    g = ∂/∂θ of the batch's mean loss: batches of one give the expectation over samples. network: f(·; θⁿ), left as
    it is; batches: (rainy, clean), each (B, 3, H, W) in [0, 1], moved to the network's device; loss: one value a
    sample. Sums rather than means, so that shards add up exactly: see
    `derain.method.accumulation.merge`. checkpoint: where there is one, `batches`
    leaves out those that are in its sums. Several processes (derain.training.processes), each called with all batches,
    share the gradients out, and each adds all of them in the order of the batches.
    """
    parameters = dict(network.named_parameters())
    device = next(network.parameters()).device
    sums = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in parameters.items()}
    count = 0
    if checkpoint is not None and checkpoint.done:
        count = checkpoint.done
        sums = {name: part.to(device) for name, part in checkpoint.state["sums"].items()}
    waiting, nothing = iter(batches), [torch.zeros_like(p) for p in parameters.values()]
    while at_once := list(islice(waiting, processes())):
        gradients: Sequence[Tensor] = nothing
        if rank() < len(at_once):  # in the last round there may be none for this process
            x, y = at_once[rank()]
            mean_loss = loss(network(x.to(device)), y.to(device)).mean()
            gradients = torch.autograd.grad(mean_loss, list(parameters.values()))
        for of_batch in of_all_lists(gradients):
            for total, gradient in zip(sums.values(), of_batch, strict=True):
                total += gradient.abs() if power == "absolute" else gradient.double().square()
        count += len(at_once)
        if checkpoint is not None and checkpoint.due():
            checkpoint.write(count, {"sums": sums})
    if checkpoint is not None:
        checkpoint.write(count, {"sums": sums})
    return sums, count
