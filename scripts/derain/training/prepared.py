"""Prepares batches ahead of the training: in worker processes, and on CUDA also in a thread that pins their memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from derain.errors import UserError
from derain.training.interruption import leave_signals_to_the_parent

Batch = tuple[Tensor, Tensor]
Side = tuple[NDArray[Any], list[int]]
Sent = tuple[Side, Side] | UserError
Item = TypeVar("Item")


def prepared(batches: Dataset[Batch], steps: Sequence[int], workers: int, pin: bool) -> Iterator[Batch]:
    """The batches of these steps, on the CPU, prepared by `workers` processes; for 0, by this process when needed.

    pin: prepare the next batch in a thread and pin its memory, so that a CUDA device copies it while it computes.
    """
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
        sent = iter(loader)  # starts the workers, in this thread
        received = _received(sent)
        yield from ahead(received, _pinned) if pin else received
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


def ahead(items: Iterator[Item], change: Callable[[Item], Item]) -> Iterator[Item]:
    """change(item) of each item. A thread gets and changes the next item while the caller uses the last one."""

    def next_item() -> Item | None:
        item = next(items, None)
        return None if item is None else change(item)

    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next_item)
        while (item := coming.result()) is not None:
            coming = thread.submit(next_item)
            yield item


def _pinned(batch: Batch) -> Batch:
    rainy, clean = batch
    return rainy.pin_memory(), clean.pin_memory()


class _Sent(Dataset[Sent]):
    """Batches in the form that workers send: arrays, or a UserError. Tensors would go through /dev/shm, which is small
    in containers, and through a socket below TMPDIR, whose path must be short.
    """

    def __init__(self, batches: Dataset[Batch]) -> None:
        self.batches = batches

    def __getitem__(self, step: int) -> Sent:
        try:
            rainy, clean = self.batches[step]
        except UserError as error:
            return error
        return _sent(rainy), _sent(clean)


def _as_it_is(batch: Any) -> Any:
    return batch


def _received(sent: Iterable[Sent]) -> Iterator[Batch]:
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
