"""Compiles the passes of a network in training (`training.compile`), and leaves torch's compiler out otherwise."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim import Optimizer

from derain.errors import UserError


def as_written(optimizer: type[Optimizer]) -> type[Optimizer]:
    """An optimiser class without the wrappers that keep torch's compiler away from its methods. They import the
    compiler, which takes 1.2 s of CPU time in every training, as much as all of torch. Nothing compiles an optimiser
    here.
    """
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: inspect.unwrap(getattr(optimizer, name)) for name in names}
    step = torch.no_grad()(inspect.unwrap(optimizer.step))
    return type(optimizer.__name__, (optimizer,), {**methods, "step": step})


def compile_passes(network: nn.Module, mode: str | None) -> None:
    """Let torch.compile make the kernels of the forward and backward passes of a network, at its first pass, in place:
    its parameters and their names stay. mode: of torch.compile, None to compile nothing. With "reduce-overhead" a CUDA
    device starts all kernels of a pass at once, by CUDA graphs.
    """
    if mode:
        network.compile(mode=mode)


@contextmanager
def not_compiled(mode: str | None) -> Iterator[None]:
    """Within the context, the passes run as written: images would be compiled for each of their sizes. mode: as of
    `compile_passes`.
    """
    if not mode:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


@contextmanager
def faults_of_compilation(mode: str | None) -> Iterator[None]:
    """Raise UserError where torch.compile fails within the context. mode: as of `compile_passes`."""
    if not mode:
        yield
        return
    from torch._dynamo.exc import TorchDynamoException  # slow to import

    try:
        yield
    except TorchDynamoException as error:
        what = next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)
        raise UserError(
            f"training.compile: torch.compile failed ({what}); it needs a C++ compiler, with CUDA also Triton; "
            "leave the key out to train without it"
        ) from error
