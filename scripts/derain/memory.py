"""A bounded memory of old pairs and its replay (experience replay, Rolnick et al. 2019).

The setting of NR forbids it, since earlier datasets are gone; it stands here for comparison.
`patches` pairs are kept in all, shared evenly by the datasets seen so far: every new dataset shortens the
shares of the others. A share is a random draw, so its beginning is one too.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from derain.data.patches import as_tensor
from derain.losses import Loss

Memory = dict[str, NDArray[np.uint8]]


def remember(past: Mapping[str, NDArray[np.uint8]], dataset: str, pairs: NDArray[np.uint8], patches: int) -> Memory:
    """The memory after one more dataset.

    past: by dataset, (K, 2, 3, P, P), rainy before clean; pairs: of the new dataset, at least its share of `patches`.
    """
    kept = {**past, dataset: pairs}
    share = patches // len(kept)
    return {name: stored[:share] for name, stored in kept.items()}


class Replay:
    """Mean loss over a batch of old pairs, drawn evenly from the datasets; a pure function of (seed, step)."""

    def __init__(self, memory: Memory, batch: int, seed: Sequence[int], loss: Loss) -> None:
        self.stored = [memory[name] for name in sorted(memory)]
        self.batch, self.seed, self.loss = batch, tuple(seed), loss

    def draw(self, step: int) -> tuple[Tensor, Tensor]:
        """(rainy, clean), each (batch, 3, P, P) in [0, 1]."""
        rng = np.random.default_rng((*self.seed, step))
        chosen = [self.stored[n] for n in rng.integers(len(self.stored), size=self.batch)]
        pairs = as_tensor(np.stack([stored[rng.integers(len(stored))] for stored in chosen]))
        return pairs[:, 0], pairs[:, 1]

    def __call__(self, network: nn.Module, step: int) -> Tensor:
        """The mean loss of the network at a step."""
        device = next(network.parameters()).device
        rainy, clean = (side.to(device) for side in self.draw(step))
        return self.loss(network(rainy), clean).mean()
