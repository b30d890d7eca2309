"""The number format in which CUDA devices multiply float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def multiply_exactly() -> None:
    """Multiply float32 as float32. PyTorch's default for convolutions is TF32, with 10 bits of the mantissa."""
    _allow(False)


@contextmanager
def tfloat32(enabled: bool) -> Iterator[None]:
    """Multiply in TF32 within the context, if it is enabled."""
    if not enabled:
        yield
        return
    _allow(True)
    try:
        yield
    finally:
        _allow(False)


def _allow(tf32: bool) -> None:
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
