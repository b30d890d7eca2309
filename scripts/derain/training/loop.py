"""Training of one stage: θ minimises L(f(O; θ), B) + Σ strength · term, over random patches of its datasets."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from derain.config.sections import Training
from derain.errors import UserError
from derain.method.losses import LOSSES
from derain.method.step import Seen, Term
from derain.training.checkpoint import Reached
from derain.training.interruption import leave_signals_to_the_parent
from derain.training.processes import Replica, all_gather, count, rank

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


Side = tuple[NDArray[Any], list[int]]
Sent = tuple[Side, Side] | UserError


@dataclass(frozen=True)
class Progress:
    """One step as it is logged: the loss terms as they enter the sum, PSNR of the batch in RGB, seconds so far.

    The seconds include those of earlier attempts, up to the checkpoint from which the training continued.
    """

    step: int
    terms: dict[str, float]
    psnr_rgb_db: float
    learning_rate: float
    seconds: float


def rate_factor(schedule: str, step: int, steps: int, warmup: int) -> float:
    """Learning rate of `step` (from 0) as a share of the maximum, with a linear rise over the first `warmup` steps.

    "constant" · "cosine": down to 0 (Loshchilov & Hutter 2017) · "multistep": ×0.2 at 30, 50 and 80 % (PReNet).
    """
    done = step / steps
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    if schedule == "constant":
        return rise
    if schedule == "cosine":
        return rise * 0.5 * (1 + math.cos(math.pi * done))
    if schedule == "multistep":
        return rise * 0.2 ** sum(done >= milestone for milestone in (0.3, 0.5, 0.8))
    raise ValueError(f"no schedule is called {schedule!r}")


def places(batch: int, parts: int) -> list[slice]:
    """The slices of a batch that are its parts; their sizes differ by at most one."""
    return [slice(n * batch // parts, (n + 1) * batch // parts) for n in range(parts)]


class _Sent(Dataset[Sent]):
    """Batches in the form that workers send: arrays, or a UserError. Tensors would go through /dev/shm, which is small
    in containers, and through a socket below TMPDIR, whose path must be short.
    """

    def __init__(self, batches: Dataset[tuple[Tensor, Tensor]]) -> None:
        self.batches = batches

    def __getitem__(self, step: int) -> Sent:
        try:
            rainy, clean = self.batches[step]
        except UserError as error:
            return error
        return _sent(rainy), _sent(clean)


def _as_it_is(batch: Any) -> Any:
    return batch


def _prepared(
    batches: Dataset[tuple[Tensor, Tensor]], steps: Sequence[int], workers: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of these steps, prepared ahead by `workers` processes; for 0, by this process when needed."""
    loader = DataLoader(
        _Sent(batches),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=leave_signals_to_the_parent,
    )
    sent = None
    try:
        sent = iter(loader)
        yield from _received(sent)
    except OSError as error:
        if not workers:
            raise
        what = " ".join(str(error).split())
        raise UserError(f"training.workers: batches cannot be prepared ({what}); set it to 0 to use none") from error
    finally:
        if isinstance(sent, _MultiProcessingDataLoaderIter):
            sent._shutdown_workers()
            for worker in sent._workers:  # they ignore SIGTERM, and this process would wait for them at its end
                worker.kill()


def _received(sent: Iterable[Sent]) -> Iterator[tuple[Tensor, Tensor]]:
    for batch in sent:
        if isinstance(batch, UserError):
            raise batch
        rainy, clean = batch
        yield _tensor(*rainy), _tensor(*clean)


def _sent(tensor: Tensor) -> Side:
    """The tensor as an array with its axes in memory order, and this order. So the receiver restores the same strides:
    convolutions of tensors with other strides differ in the last bits.
    """
    order = sorted(range(tensor.dim()), key=tensor.stride, reverse=True)
    return tensor.permute(order).numpy(), order


def _tensor(array: NDArray[Any], order: list[int]) -> Tensor:
    return torch.from_numpy(array).permute([order.index(axis) for axis in range(len(order))])


def train(
    network: nn.Module,
    batches: Dataset[tuple[Tensor, Tensor]],
    recipe: Training,
    terms: Mapping[str, Term],
    workers: int = 0,
    checkpoint: Reached | None = None,
) -> Iterator[Progress]:
    """Train in place, on the device of the network; yield after every step.

    batches: `batches[step]` → (rainy, clean), each (B, 3, P, P) in [0, 1]; terms: added to the reconstruction loss, by
    name; they must keep no state between steps; workers: processes that prepare batches, without effect on the result;
    checkpoint: if it has steps, the training continues after them, with the same result. With several processes
    (derain.training.processes), each computes its parts of every batch, and all yield the same numbers. Raises
    UserError with the step number if the loss, or θ at the end, is not finite.
    """
    loss = LOSSES[recipe.loss]
    device = next(network.parameters()).device
    optimizer = OPTIMIZERS[recipe.optimizer](network.parameters(), lr=recipe.learning_rate)  # type: ignore[call-arg]
    scheduler = LambdaLR(optimizer, lambda step: rate_factor(recipe.schedule, step, recipe.steps, recipe.warmup))
    moving: dict[str, Any] = {"network": network, "optimizer": optimizer, "schedule": scheduler}
    done, spent = 0, 0.0
    if checkpoint is not None and checkpoint.done:
        done, spent = checkpoint.done, checkpoint.state["seconds"]
        for name, part in moving.items():
            part.load_state_dict(checkpoint.state[name])
    mine = places(recipe.batch, recipe.parts)[rank() :: count()]
    replica = Replica(network)
    network.train()
    start = time.monotonic() - spent
    for step, batch in enumerate(_prepared(batches, range(done, recipe.steps), workers), start=done + 1):
        optimizer.zero_grad(set_to_none=True)
        shares = []
        for place in mine:
            rainy, clean = (side[place].to(device, non_blocking=True) for side in batch)
            with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
                seen = Seen(step, rainy, clean, replica(rainy), place.start)
                parts = {"reconstruction": loss(seen.output, clean).mean()}
                parts |= {name: term(network, seen) for name, term in terms.items()}
            values = torch.stack(list(parts.values()))
            # Weighted by part size, part losses add up to the batch mean; terms without samples keep their value.
            share = len(rainy) / recipe.batch
            replica.backward(share * values.sum())
            squares = (seen.output.detach().clamp(0, 1) - clean).square().mean()
            shares.append(share * torch.stack([*values.detach(), squares]).double())
        *means, mse = torch.stack(all_gather(torch.stack(shares)), 1).flatten(0, 1).sum(0).tolist()
        told = dict(zip(parts, means, strict=True))
        if not math.isfinite(sum(means)):
            listed = ", ".join(f"{name} {value:g}" for name, value in told.items())
            raise UserError(f"the loss is not finite at step {step} ({listed}); try a lower training.learning_rate")
        rate = float(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
        seconds = time.monotonic() - start
        yield Progress(
            step=step,
            terms=told,
            psnr_rgb_db=-10 * math.log10(max(mse, 1e-10)),
            learning_rate=rate,
            seconds=seconds,
        )
        if checkpoint is not None and (step == recipe.steps or checkpoint.due()):
            checkpoint.write(step, {name: part.state_dict() for name, part in moving.items()} | {"seconds": seconds})
    if not all(bool(torch.isfinite(theta).all()) for theta in network.parameters()):
        raise UserError(f"θ is not finite after step {recipe.steps}; try a lower training.learning_rate")
    network.eval()
