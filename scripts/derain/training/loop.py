"""Training of one stage: θ minimises L(f(O; θ), B) + Σ strength · term, over random patches of its datasets."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Dataset

from derain.config.training import Training
from derain.errors import UserError
from derain.method.losses import LOSSES
from derain.method.step import Seen, Term
from derain.networks.formats import layout, multiplying
from derain.training.checkpoint import ResumePoint
from derain.training.compiled import as_written, compile_passes, faults_of_compilation
from derain.training.prepared import prepared
from derain.training.processes import Replica, all_gather, count, rank

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": as_written(torch.optim.Adam),
    "adamw": as_written(torch.optim.AdamW),
    "sgd": as_written(torch.optim.SGD),
}


@dataclass(frozen=True)
class Progress:
    """One step as it is logged: the loss terms as they enter the sum, PSNR of the batch in RGB, seconds so far.

    The seconds are those at which the numbers were read. They include those of earlier attempts, up to the checkpoint
    from which the training continued.
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


def every_step(step: int) -> bool:
    """True: the numbers of each step are read after it."""
    del step
    return True


class _Unread(NamedTuple):
    """A step whose numbers are on the device: the mean of each loss term, and the mean squared error."""

    step: int
    learning_rate: float
    numbers: Tensor


def train(
    network: nn.Module,
    batches: Dataset[tuple[Tensor, Tensor]],
    recipe: Training,
    terms: Mapping[str, Term],
    workers: int = 0,
    checkpoint: ResumePoint | None = None,
    read: Callable[[int], bool] = every_step,
) -> Iterator[Progress]:
    """Train in place, on the device of the network; yield the progress of every step.

    batches: `batches[step]` → (rainy, clean), each (B, 3, P, P) in [0, 1], B the same in every step; terms: added to
    the reconstruction loss, by name; they must keep no state between steps; workers: processes that prepare batches,
    without effect on the result; checkpoint: if it has steps, the training continues after them, with the same result;
    read: whether to read numbers from the device after a step. A CUDA device then stops until the next step is queued,
    so other steps are yielded with the next one that is read, when the network has moved on. With several processes
    (derain.training.processes), each computes its parts of every batch, and all yield the same numbers. Raises
    UserError with the number of the first step whose loss is not finite, or if θ at the end is not.
    """
    loss = LOSSES[recipe.loss]
    device = next(network.parameters()).device
    on_cuda, in_memory = device.type == "cuda", layout(recipe.precision, device)
    optimizer = OPTIMIZERS[recipe.optimizer](network.parameters(), lr=recipe.learning_rate, fused=on_cuda or None)
    scheduler = LambdaLR(optimizer, lambda step: rate_factor(recipe.schedule, step, recipe.steps, recipe.warmup))
    moving: dict[str, Any] = {"network": network, "optimizer": optimizer, "schedule": scheduler}
    checkpoint = checkpoint or ResumePoint()
    done, spent = checkpoint.done, 0.0
    if done:
        spent = checkpoint.state["seconds"]
        for name, part in moving.items():
            part.load_state_dict(checkpoint.state[name])
    compile_passes(network, recipe.compile)
    replica = Replica(network)
    network.train()
    start = time.monotonic() - spent
    names = ["reconstruction", *terms]
    unread: list[_Unread] = []
    for step, batch in enumerate(prepared(batches, range(done, recipe.steps), workers, pin=on_cuda), start=done + 1):
        optimizer.zero_grad(set_to_none=True)
        shares = []
        size = len(batch[0])  # above recipe.batch if old samples are added
        for place in places(size, recipe.parts)[rank() :: count()]:
            rainy, clean = (side[place].to(device, non_blocking=True, memory_format=in_memory) for side in batch)
            with multiplying(recipe.precision), faults_of_compilation(recipe.compile):
                with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
                    seen = Seen(step, rainy, clean, replica(rainy), place.start)
                    parts = [loss(seen.output, clean).mean(), *(term(network, seen) for term in terms.values())]
                values = torch.stack(parts)
                # Weighted by part size, part losses add up to the batch mean; terms without samples keep their value.
                share = len(rainy) / size
                replica.backward(share * values.sum())
            squares = (seen.output.detach().clamp(0, 1) - clean).square().mean()
            shares.append(share * torch.stack([*values.detach(), squares]).double())
        numbers = torch.stack(all_gather(torch.stack(shares)), 1).flatten(0, 1).sum(0)
        unread.append(_Unread(step, float(optimizer.param_groups[0]["lr"]), numbers))
        optimizer.step()
        scheduler.step()
        write = step == recipe.steps or checkpoint.due()
        if write or read(step):
            progress = _read(unread, names, start)
            unread.clear()
            yield from progress
            if write:
                seconds = {"seconds": progress[-1].seconds}
                checkpoint.write(step, {name: part.state_dict() for name, part in moving.items()} | seconds)
    if not all(bool(torch.isfinite(theta).all()) for theta in network.parameters()):
        raise UserError(f"θ is not finite after step {recipe.steps}; try a lower training.learning_rate")
    network.eval()


def _read(unread: Sequence[_Unread], names: Sequence[str], start: float) -> list[Progress]:
    """Read the numbers of steps from the device, all at once."""
    rows = torch.stack([each.numbers for each in unread]).tolist()
    seconds = time.monotonic() - start
    found = []
    for each, (*means, mse) in zip(unread, rows, strict=True):
        terms = dict(zip(names, means, strict=True))
        if not math.isfinite(sum(means)):
            listed = ", ".join(f"{name} {value:g}" for name, value in terms.items())
            raise UserError(
                f"the loss is not finite at step {each.step} ({listed}); try a lower training.learning_rate"
            )
        psnr = -10 * math.log10(max(mse, 1e-10))
        found.append(Progress(each.step, terms, psnr, each.learning_rate, seconds))
    return found
