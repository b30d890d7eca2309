"""The inputs of a loss term at one training step, and the type of loss terms."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn


class Seen(NamedTuple):
    """The inputs of a loss term. step: number of the step (from 1); rainy, clean: the batch or a part of it, each
    (B, 3, P, P); output: f(rainy; θ); first: the place of the part's first sample in the batch.
    """

    step: int
    rainy: Tensor
    clean: Tensor
    output: Tensor
    first: int = 0


# term(network, seen) → a scalar added to the loss: a mean over the samples of `seen`, or independent of them
Term = Callable[[nn.Module, Seen], Tensor]
