"""How CUDA devices multiply in each number format of `training.precision`."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def multiply_exactly() -> None:
    """Multiply float32 as float32. PyTorch's default for convolutions is TF32, with 10 bits of the mantissa."""
    _allow(False)


@contextmanager
def multiplying(precision: str) -> Iterator[None]:
    """Within the context, multiply float32 as float32, or with "tfloat32" as TF32. With both formats other than
    "float32", cuDNN also tries its algorithms and takes the fastest, which may be another one in the next run.
    """
    if precision == "float32":
        yield
        return
    _allow(precision == "tfloat32")
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = False
        _allow(False)


def layout(precision: str, device: torch.device) -> torch.memory_format:
    """The memory layout of batches in which a training step takes least time: that of PatchSampler, channels last; for
    float32 on CUDA channels first (PReNet: 0.78 of the time, benchmarks/gpu/RESULTS.md).
    """
    return torch.contiguous_format if (device.type, precision) == ("cuda", "float32") else torch.preserve_format


def _allow(tf32: bool) -> None:
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
