"""One stage in several processes: all hold the same θ, and each computes some parts of every batch.

The job's own process is the first of them (rank 0); it forks the others. Signals, the time limit, log, checkpoints and
outputs are the first one's alone, as where there is one process only: the others ignore signals, keep nothing, and are
killed when it ends, however it ends. That is why torchrun does not start them: its agent puts every process into a
session of its own, where a SIGKILL of the job's group leaves it behind.

What was computed comes together in an order that does not depend on the number of processes, so that this number
decides no bit of θ and Ω.
"""

import gc
import multiprocessing
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.process import BaseProcess
from signal import Signals
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from derain.errors import UserError, tell
from derain.training.devices import devices_of
from derain.training.interruption import leave_signals_to_the_parent

HOST = "127.0.0.1"
# Nobody waits for ever (see _end_with and _watch), and others wait as long as the first one validates.
PATIENCE = timedelta(days=30)
GRACE = 2.0  # seconds in which a process may come to its end by itself, where another one has ended
POLL = 0.1


def rank() -> int:
    """Number of this process; the first, 0, is the one that writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """Processes that work together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def together(processes: int, device: str, work: Callable[[], None], log: str) -> None:
    """Run work() in so many processes; back here, in the first of them, when it is done here.

    To be called before this process has computed anything with torch: a fork inherits neither its threads nor a CUDA
    device. device: "cpu", "cuda" or "auto": CUDA devices are taken by rank and speak NCCL, processors speak gloo; log:
    of the job. Raises what work raises here, and UserError where another process has ended; where this one then hangs
    in the collective (NCCL waits), it is ended with the same line.
    """
    if processes == 1:
        with _workers_told():
            work()
        return
    devices_of(device, processes)  # all at once, for all of them
    gc.collect()  # a fork that deletes what is left of an earlier group waits for threads that it has not
    fork = multiprocessing.get_context("fork")
    with socket.create_server((HOST, 0)) as listening:
        given = (processes, device, work, listening)
        others = [fork.Process(target=_other, args=(number, *given)) for number in range(1, processes)]
        over = threading.Event()
        try:
            for other in others:
                other.start()
            threading.Thread(target=_watch, args=(others, over, log), daemon=True).start()
            _meet(0, processes, device, listening)
            with _workers_told():
                work()
        except RuntimeError as error:  # of a collective whose other end is gone, or any other
            # A process closes its connections a moment before its status is there.
            end = time.monotonic() + GRACE
            while not (lost := _lost(others)) and time.monotonic() < end:
                time.sleep(POLL / 10)
            raise (UserError(lost) if lost else error) from None
        finally:
            over.set()
            for other in others:
                if other.pid:
                    other.kill()
                    other.join()
            if dist.is_initialized():
                dist.destroy_process_group()


@contextmanager
def _workers_told() -> Iterator[None]:
    """Tell in one line that a process which prepares batches has ended: PyTorch does in whatever is being computed."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise UserError(f"training.workers: {str(error).splitlines()[0]}; 0 does without such processes") from error


def _meet(number: int, processes: int, device: str, listening: socket.socket) -> None:
    """Become one of the processes. listening: where the first one, which made it, serves the others."""
    mine = devices_of(device, processes)[number]
    port = listening.getsockname()[1]
    served = os.dup(listening.fileno()) if number == 0 else None  # the store closes what it is given
    store = dist.TCPStore(  # type: ignore[attr-defined]
        HOST, port, processes, is_master=number == 0, wait_for_workers=False, master_listen_fd=served
    )
    backend = "gloo" if mine == "cpu" else "nccl"
    dist.init_process_group(backend, store=store, rank=number, world_size=processes, timeout=PATIENCE)
    if mine != "cpu":
        torch.cuda.set_device(mine)


def _other(number: int, processes: int, device: str, work: Callable[[], None], listening: socket.socket) -> None:
    """The life of a process that is not the first."""
    leave_signals_to_the_parent(number)
    first = os.getppid()
    threading.Thread(target=_end_with, args=(first,), daemon=True).start()
    try:
        _meet(number, processes, device, listening)
        work()
    except UserError:
        sys.exit(1)  # the first process meets the same and tells it
    except Exception:
        time.sleep(GRACE)  # if the first one has ended, so has this by now: there is nothing to tell
        raise
    _end_with(first)


def _end_with(first: int) -> None:
    """End this process when the first one is gone."""
    while os.getppid() == first:
        time.sleep(POLL)
    os._exit(1)


def _watch(others: Sequence[BaseProcess], over: threading.Event, log: str) -> None:
    """End this process where another one ended and it does not notice."""
    while not over.wait(POLL):
        if _lost(others) and not over.wait(2 * GRACE):
            tell(f"error: {_lost(others)}", log)
            os._exit(1)


def _lost(others: Sequence[BaseProcess]) -> str:
    """What to tell of a process that has ended; empty where none has."""
    for number, other in enumerate(others, start=1):
        if (code := other.exitcode) is not None:
            how = f"was ended by {Signals(-code).name}" if code < 0 else f"failed (status {code})"
            return f"process {number + 1} of {len(others) + 1} {how}; the next attempt goes on at the last checkpoint"
    return ""


def broadcast(value: Any) -> Any:
    """Broadcasts rank 0's value. Numbers, text and tensors on the CPU, in dicts, lists and tuples."""
    if count() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def all_gather(tensor: Tensor) -> list[Tensor]:
    """The tensor of every process, of equal shapes, by rank; in all of them."""
    if count() == 1:
        return [tensor]
    every = [torch.empty_like(tensor) for _ in range(count())]
    dist.all_gather(every, tensor)
    return every


def all_gather_lists(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """As `all_gather`, for lists of tensors of equal shapes."""
    if count() == 1:
        return [list(tensors)]
    sizes = [tensor.numel() for tensor in tensors]
    return [
        [part.view_as(tensor) for part, tensor in zip(torch.split(flat, sizes), tensors, strict=True)]
        for flat in all_gather(_flat(tensors))
    ]


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


class Replica:
    """f(·; θ) of this process, whose gradients add up over the parts of a batch and over all processes.

    With several processes it is PyTorch's DistributedDataParallel, which takes θ from the first process. Instead of
    the mean by all-reduce, whose order of summation depends on their number, a communication hook adds the gradients
    in the order of the parts: part n is computed by process n modulo their number.
    """

    def __init__(self, network: nn.Module) -> None:
        self.parameters = [theta for theta in network.parameters() if theta.requires_grad]
        self.network = network
        self.before: dict[Tensor, Tensor] = {}
        if count() > 1:
            wrapped = DistributedDataParallel(network)
            wrapped.register_comm_hook(self.before, _add_in_order)
            self.network = wrapped

    def __call__(self, rainy: Tensor) -> Tensor:
        """f(rainy; θ), once before each `backward`; other passes of the network itself may enter the loss as well."""
        return self.network(rainy)

    def backward(self, loss: Tensor) -> None:
        """Add ∂loss/∂θ to the gradients: of this process's next part, and of those that the others compute now."""
        if count() > 1:  # the hook is handed the gradients of this part alone
            self.before.clear()
            self.before |= {theta: theta.grad for theta in self.parameters if theta.grad is not None}
            for theta in self.parameters:
                theta.grad = None
        torch.autograd.backward(loss)


def _add_in_order(before: dict[Tensor, Tensor], bucket: dist.GradBucket) -> Future[Tensor]:  # type: ignore[name-defined]
    """DDP's communication hook: what was there before, then the bucket of each process by rank."""
    every = [torch.empty_like(bucket.buffer()) for _ in range(count())]
    if before:
        every.insert(0, _flat([before[theta] for theta in bucket.parameters()]))

    def added(_: Any) -> Tensor:
        total, *others = every
        for other in others:
            total += other
        return total

    gathered = dist.all_gather(every[-count() :], bucket.buffer(), async_op=True)
    return gathered.get_future().then(added)
