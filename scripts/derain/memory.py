"""What a method keeps of earlier datasets, and the training batches that it rains on. The setting of NR allows neither.

A memory holds K small patches of every dataset seen, and old samples made of them take the place of a share of every
batch, so that a step costs the same number of network passes with a memory as without:

| keep | stored | an old sample |
|---|---|---|
| rain | layers R = O − B, int16, (K, 3, P, P) | (clip(B' + R), B') on a clean patch B' of the *new* dataset |
| pairs | O and B, uint8, (K, 2, 3, P, P) | (O, B) itself: experience replay (Rolnick et al. 2019) |

By the rain model O = B + R (NR, Eq. 1) a layer is rain without a scene, but for where O was clipped or recompressed.
Both kinds take 6 bytes a pixel (`derain.config.Memory.bytes_of_dataset`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from derain.data.patches import as_tensor

Stored = NDArray[np.int16] | NDArray[np.uint8]


def kept(keep: str, rainy: Tensor, clean: Tensor) -> Stored:
    """What is stored of patches. keep: "rain" or "pairs"; rainy, clean: (K, 3, P, P) in [0, 1], of 8-bit images."""
    levels = np.rint(np.stack([rainy, clean], axis=1) * 255)
    return (levels[:, 0] - levels[:, 1]).astype(np.int16) if keep == "rain" else levels.astype(np.uint8)


class WithMemory(Dataset[tuple[Tensor, Tensor]]):
    """Batches in which memory has the first `round(share · B)` places; like them a pure function of (seed, step).

    batches: `batches[step]` → (rainy, clean), each (B, 3, P, P) in [0, 1]; memory: by dataset, as `kept` makes it. For
    each place a dataset is drawn, then one of its patches, flipped and turned by a multiple of 90° as training patches
    are.
    """

    def __init__(self, batches: Any, memory: Mapping[str, Stored], share: float, seed: Sequence[int]) -> None:
        self.batches, self.share, self.seed = batches, share, tuple(seed)
        self.stored = [memory[name] for name in sorted(memory)]

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((*self.seed, step))
        rainy, clean = self.batches[step]
        for place in range(round(self.share * len(rainy))):
            of_dataset = self.stored[rng.integers(len(self.stored))]
            drawn = np.rot90(of_dataset[rng.integers(len(of_dataset))], int(rng.integers(4)), (-2, -1))
            if rng.integers(2):
                drawn = drawn[..., ::-1]
            if drawn.ndim == 3:  # a layer
                rainy[place] = (clean[place] + torch.from_numpy(drawn / np.float32(255))).clamp(0, 1)
            else:
                rainy[place], clean[place] = as_tensor(np.ascontiguousarray(drawn))
        return rainy, clean
