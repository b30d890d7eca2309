"""The sum of an Ω as a job computes it: resumed from a checkpoint, shared by several processes."""

from collections.abc import Iterable
from itertools import islice

import torch
from torch import Tensor, nn

from derain.method.importance import add, gradients, zeros
from derain.method.losses import Loss
from derain.training.checkpoint import Reached
from derain.training.processes import all_gather_lists, count, rank


def resumed_sum(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    loss: Loss,
    power: str,
    checkpoint: Reached,
) -> tuple[dict[str, Tensor], int]:
    """`derain.method.importance.importance_sum`, gone on with after the batches that are in the checkpoint's sums.

    batches: those that are left; several processes, each called with all of them, share the gradients out, and each
    adds all of them in the order of the batches.
    """
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
