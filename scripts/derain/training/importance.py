"""The sum of an Ω, as a job computes it: resumed from a checkpoint, shared by several processes."""

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

    g: `derain.method.importance.gradients` of each batch; batches of one give the expectation over samples. network:
    f(·; θⁿ), left as it is. Sums rather than means, so that shards add up exactly: see
    `derain.method.accumulation.merge`. checkpoint: where there is one, `batches` leaves out those that are in its sums.
    Several processes, each called with all batches, share the gradients out, and each adds all of them in the order of
    the batches.
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
