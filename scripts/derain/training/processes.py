"""One stage in several processes: all hold the same θ, and each computes some parts of every batch.

The job's own process is rank 0; it forks the others. As in a job of one process, it alone handles signals and the time
limit, and writes the log, checkpoints and outputs. The others ignore signals, write nothing, and end when rank 0 ends,
for whatever reason. torchrun cannot start them so: its agent puts every process into a session of its own, where a
SIGKILL of the job's process group does not reach it.

Results are added in an order that does not depend on the number of processes, so this number decides no bit of θ and Ω.
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

from derain.errors import UserError, print_and_log
from derain.training.devices import devices_of
from derain.training.interruption import leave_signals_to_the_parent

HOST = "127.0.0.1"
# Long, because the others wait while rank 0 validates. No process waits for ever: see _end_with and _watch.
PATIENCE = timedelta(days=30)
GRACE = 2.0  # seconds that a process has to end by itself after another one has ended
POLL = 0.1


def rank() -> int:
    """Rank of this process. Rank 0 writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """Number of processes that work together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def together(processes: int, device: str, work: Callable[[], None], log: str) -> None:
    """Run work() in `processes` processes, of which this one is rank 0. Returns when work() has returned here.

    Call it before this process has computed anything with torch: a fork inherits neither torch's threads nor a CUDA
    device. device: "cpu", "cuda" or "auto"; CUDA devices are assigned by rank and use NCCL, CPUs use gloo; log: the log
    of the job. Raises what work raises here, and UserError if another process has ended. If this process hangs in a
    collective then (NCCL waits), it is ended with the same message.
    """
    if processes == 1:
        with _worker_faults():
            work()
        return
    devices_of(device, processes)  # takes those of all processes at once
    gc.collect()  # else a fork may delete an earlier process group, and wait for threads it lacks
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
            with _worker_faults():
                work()
        except RuntimeError as error:  # of a collective whose peer has ended, or any other
            # A process closes its connections shortly before its exit status is available.
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
def _worker_faults() -> Iterator[None]:
    """Report in one line that a DataLoader worker has ended. PyTorch raises the error in any code that runs then."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise UserError(f"training.workers: {str(error).splitlines()[0]}; set it to 0 to use none") from error


def _meet(number: int, processes: int, device: str, listening: socket.socket) -> None:
    """Join the process group as rank `number`. listening: the socket on which rank 0 serves the others."""
    mine = devices_of(device, processes)[number]
    port = listening.getsockname()[1]
    served = os.dup(listening.fileno()) if number == 0 else None  # a copy, because the store closes its socket
    store = dist.TCPStore(  # type: ignore[attr-defined]  # of torch's C library
        HOST, port, processes, is_master=number == 0, wait_for_workers=False, master_listen_fd=served
    )
    backend = "gloo" if mine == "cpu" else "nccl"
    dist.init_process_group(backend, store=store, rank=number, world_size=processes, timeout=PATIENCE)
    if mine != "cpu":
        torch.cuda.set_device(mine)


def _other(number: int, processes: int, device: str, work: Callable[[], None], listening: socket.socket) -> None:
    """Main function of the processes other than rank 0."""
    leave_signals_to_the_parent(number)
    first = os.getppid()
    threading.Thread(target=_end_with, args=(first,), daemon=True).start()
    try:
        _meet(number, processes, device, listening)
        work()
    except UserError:
        sys.exit(1)  # rank 0 meets the same error and reports it
    except Exception:
        time.sleep(GRACE)  # if rank 0 has ended, this process ends meanwhile, without a traceback
        raise
    _end_with(first)


def _end_with(first: int) -> None:
    """End this process when rank 0 has ended. first: process ID of rank 0."""
    while os.getppid() == first:
        time.sleep(POLL)
    os._exit(1)


def _watch(others: Sequence[BaseProcess], over: threading.Event, log: str) -> None:
    """End this process if another one has ended and this one does not react."""
    while not over.wait(POLL):
        if _lost(others) and not over.wait(2 * GRACE):
            print_and_log(f"error: {_lost(others)}", log)
            os._exit(1)


def _lost(others: Sequence[BaseProcess]) -> str:
    """The error message for a process that has ended; empty if none has."""
    for number, other in enumerate(others, start=1):
        if (code := other.exitcode) is not None:
            how = f"was ended by {Signals(-code).name}" if code < 0 else f"failed (status {code})"
            return f"process {number + 1} of {len(others) + 1} {how}; the next attempt goes on at the last checkpoint"
    return ""


def broadcast(value: Any) -> Any:
    """Broadcast rank 0's value: numbers, text and tensors on the CPU, in dicts, lists and tuples."""
    if count() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def all_gather(tensor: Tensor) -> list[Tensor]:
    """Gather the tensors of all processes, of equal shapes, in every process; by rank."""
    if count() == 1:
        return [tensor]
    every = [torch.empty_like(tensor) for _ in range(count())]
    dist.all_gather(every, tensor)
    return every


def all_gather_lists(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """As `all_gather`, for a list of tensors from each process, with the same shapes in all."""
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
    """f(·; θ) of this process. Gradients add up over the parts of a batch and over all processes.

    With several processes it is PyTorch's DistributedDataParallel, which takes θ from rank 0. All-reduce would sum in
    an order that depends on the number of processes. Instead, a communication hook adds the gradients in the order of
    the parts: part n is computed by rank n modulo the number of processes.
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
        """f(rainy; θ). Call it once before each `backward`; the loss may contain other passes of the network itself."""
        return self.network(rainy)

    def backward(self, loss: Tensor) -> None:
        """Add to the gradients ∂loss/∂θ of this process's part and of the parts that the others compute now."""
        if count() > 1:  # the hook must get the gradients of this part alone
            self.before.clear()
            self.before |= {theta: theta.grad for theta in self.parameters if theta.grad is not None}
            for theta in self.parameters:
                theta.grad = None
        torch.autograd.backward(loss)


def _add_in_order(
    before: dict[Tensor, Tensor],
    bucket: dist.GradBucket,  # type: ignore[name-defined]  # of torch's C library
) -> Future[Tensor]:
    """DDP's communication hook. It sums in a fixed order: the gradients of earlier parts of the batch (`before`, which
    may be empty), then the bucket of each process by rank.
    """
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
