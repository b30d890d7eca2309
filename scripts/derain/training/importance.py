"""Computes a shard of an Ω in a job: it can resume from a checkpoint and use several processes."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

import torch
from torch import Tensor, nn

from derain.files import tensors
from derain.method.importance import gradients, gradients_of_each, objective, summand, zeros
from derain.method.losses import Loss
from derain.plan.recipes import ImportanceRecipe
from derain.training.checkpoint import ResumePoint
from derain.training.job import Job
from derain.training.processes import all_gather_lists, count, rank
from derain.training.streams import IMPORTANCE

Batch = tuple[Tensor, Tensor]

# At most so many pixels, and values of gradients, are computed together on a CUDA device.
PIXELS, VALUES = 2**18, 2**28


def write_shard(
    job: Job[ImportanceRecipe], shard: int, theta: str, output: str, log: str, runtime: float | None
) -> None:
    """Compute a shard of Ω at θ and write it: the sum over every `shards`-th sample, or batch, of the expectation.

    shard: its number, from 0; theta: file of θ; log: of the job; runtime: time limit of the job in minutes, None for no
    limit. It continues from the checkpoint of an earlier attempt at the same shard. With several processes, all must
    call it, and rank 0 writes.
    """
    section = job.recipe.importance
    size = 1 if section.per == "sample" else job.recipe.training.batch
    batches = job.batches(IMPORTANCE, size)
    mine = range(shard, section.patches // size, section.shards)
    loss = objective(section.of, job.recipe.training.loss)
    network = job.network(theta)
    decided_by = job.decided_by({"theta": theta})
    with job.resumed(output, decided_by, network, log, runtime) as checkpoint:
        left = (batches[n] for n in mine[checkpoint.done :])
        sums, done = importance_sum(network, left, loss, section.power, checkpoint)
        if rank() == 0:
            arrays = {name: part.cpu().numpy() for name, part in sums.items()}
            tensors.write(output, arrays, decided_by | {"count": done})


def importance_sum(
    network: nn.Module,
    batches: Iterable[Batch],
    loss: Loss,
    power: str = "absolute",
    checkpoint: ResumePoint | None = None,
    together: int | None = None,
) -> tuple[dict[str, Tensor], int]:
    """Σ over batches of |g| ("absolute") or g² ("squared") in float64, and the number of batches.

    g: `derain.method.importance.gradients` of each batch; batches of one sample give the expectation over samples.
    network: f(·; θⁿ), not changed. It returns sums instead of means, so that shards add up exactly (see
    `derain.method.accumulation.merge`). checkpoint: if it has sums, `batches` must start after the batches in them;
    together: batches of one sample whose gradients are computed together, without effect but on rounding; None: 1 on
    the CPU, as many as PIXELS and VALUES allow on a CUDA device.
    With several processes, each is called with all batches and computes some of the gradients; then each adds all
    gradients in the order of the batches.
    """
    checkpoint = checkpoint or ResumePoint()
    sums, done = zeros(network), checkpoint.done
    if done:
        sums = {name: part.to(sums[name].device) for name, part in checkpoint.state["sums"].items()}
    waiting, nothing = iter(batches), [torch.zeros_like(total) for total in sums.values()]
    first = list(islice(waiting, 1))
    size = together or max((_together(network, rainy) for rainy, _ in first), default=1)
    waiting, adding = chain(first, waiting), _Adding(network, loss, power)
    while at_once := list(_groups(islice(waiting, count() * size), size)):
        # In the last round there may be no batch for this process.
        mine = adding(at_once[rank()]) if rank() < len(at_once) else nothing
        for of_group in all_gather_lists(mine)[: len(at_once)]:
            for total, part in zip(sums.values(), of_group, strict=True):
                total += part
        done += sum(map(len, at_once))
        if checkpoint.due():
            checkpoint.write(done, {"sums": sums})
    checkpoint.write(done, {"sums": sums})
    return sums, done


def _together(network: nn.Module, rainy: Tensor) -> int:
    """Batches like this one whose gradients are computed together."""
    parameters = list(network.parameters())
    if parameters[0].device.type == "cpu":
        return 1
    values = sum(theta.numel() for theta in parameters)
    return max(1, min(PIXELS // rainy[:, 0].numel(), VALUES // values))


def _groups(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    """The batches in groups, of which only the last one may be smaller."""
    while group := list(islice(batches, size)):
        yield group


class _Adding:
    """Σ over some batches of |g| or g² in float64, a tensor for each parameter."""

    def __init__(self, network: nn.Module, loss: Loss, power: str) -> None:
        self.network, self.loss, self.power = network, loss, power
        self.mapped = True

    def __call__(self, batches: list[Batch]) -> list[Tensor]:
        if self.mapped and len(batches) > 1 and all(len(rainy) == 1 for rainy, _ in batches):
            rainy, clean = (torch.cat(side) for side in zip(*batches, strict=True))
            try:
                each = gradients_of_each(self.network, rainy, clean, self.loss)
                return [summand(gradient, self.power).sum(0, dtype=torch.float64) for gradient in each]
            except RuntimeError:  # an operator of a user's network that cannot be mapped, or too little memory
                self.mapped = False
        totals: list[Tensor] = []
        for rainy, clean in batches:
            of_batch = gradients(self.network, rainy, clean, self.loss)
            parts = [summand(gradient, self.power).double() for gradient in of_batch]
            totals = [total + part for total, part in zip(totals, parts, strict=True)] if totals else parts
        return totals
