"""Computes the sum of an Ω in a job: it can resume from a checkpoint and use several processes."""

from collections.abc import Iterable
from itertools import islice

import torch
from torch import Tensor, nn

from derain.method.importance import add, gradients, zeros
from derain.method.losses import Loss
from derain.training.checkpoint import Reached
from derain.training.processes import all_gather_lists, count, rank


def importance_sum(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    loss: Loss,
    power: str = "absolute",
    checkpoint: Reached | None = None,
) -> tuple[dict[str, Tensor], int]:
    """Σ over batches of |g| ("absolute") or g² ("squared") in float64, and the number of batches.

    g: `derain.method.importance.gradients` of each batch; batches of one sample give the expectation over samples.
    network: f(·; θⁿ), not changed. It returns sums instead of means, so that shards add up exactly (see
    `derain.method.accumulation.merge`). checkpoint: if it has sums, `batches` must start after the batches in them.
    With several processes, each is called with all batches and computes some of the gradients; then each adds all
    gradients in the order of the batches.
    """
    checkpoint = checkpoint or Reached()
    sums, done = zeros(network), checkpoint.done
    if done:
        sums = {name: part.to(sums[name].device) for name, part in checkpoint.state["sums"].items()}
    waiting, nothing = iter(batches), [torch.zeros_like(p) for p in network.parameters()]
    while at_once := list(islice(waiting, count())):
        # In the last round there may be no batch for this process.
        mine = gradients(network, *at_once[rank()], loss) if rank() < len(at_once) else nothing
        for of_batch in all_gather_lists(mine)[: len(at_once)]:
            add(sums, of_batch, power)
        done += len(at_once)
        if checkpoint.due():
            checkpoint.write(done, {"sums": sums})
    checkpoint.write(done, {"sums": sums})
    return sums, done
