"""The inputs of a loss term at one training step, and the type of loss terms."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn


class Seen(NamedTuple):
    """The inputs of a loss term. step: number of the step (from 1); rainy, clean: the batch or a part of it, each
    (B, 3, P, P); output: f(rainy; θ); first: the place of the part's first sample in the batch; size: samples of the
    whole batch; old: number of them that come from a memory, the first ones.
    """

    step: int
    rainy: Tensor
    clean: Tensor
    output: Tensor
    first: int = 0
    size: int = 0
    old: int = 0

    @property
    def of_memory(self) -> "Seen":
        """The samples of the part that come from a memory."""
        kept = slice(max(0, min(self.old - self.first, len(self.rainy))))
        return self._replace(rainy=self.rainy[kept], clean=self.clean[kept], output=self.output[kept])


# term(network, seen) → a scalar added to the loss: a mean over the samples of `seen`, or independent of them
Term = Callable[[nn.Module, Seen], Tensor]
