"""What a step of a training has at hand, and what may be added to its loss."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn


class Seen(NamedTuple):
    """What a step has at hand: its number (from 1), the batch or a part of it, each (B, 3, P, P), f(rainy; θ), and the
    place of the part's first sample in the batch.
    """

    step: int
    rainy: Tensor
    clean: Tensor
    output: Tensor
    first: int = 0


# term(network, seen) → a scalar that is added to the loss: a mean over the samples seen, or what no sample enters
Term = Callable[[nn.Module, Seen], Tensor]
