"""Random training patches. The batch of a step depends only on the seed and the step, so a resumed training need not
replay earlier steps.
"""

from collections.abc import Sequence

import numpy as np
import torch
from derain.data.store import Image, PackedPairs
from torch import Tensor
from torch.utils.data import Dataset


class PatchSampler(Dataset[tuple[Tensor, Tensor]]):
    """Batches of random patches by step: `sampler[step]` → (rainy, clean), each (B, 3, P, P) float32 in [0, 1].

    pairs: images (rainy, clean), each (H, W, 3) uint8, drawn with equal probability. An image smaller than P is padded
    by reflection. The patch position is uniform in the image; the patch is then rotated by a random multiple of 90° and
    randomly flipped. seed: integers that also distinguish the uses of the data (the stage, training or importance).
    """

    def __init__(self, pairs: PackedPairs, patch: int, batch: int, seed: Sequence[int]) -> None:
        self.pairs, self.patch, self.batch, self.seed = pairs, patch, batch, tuple(seed)

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((*self.seed, step))
        drawn = [self._patch(rng) for _ in range(self.batch)]
        rainy, clean = (np.stack(side).transpose(0, 3, 1, 2) for side in zip(*drawn, strict=True))
        return as_tensor(rainy), as_tensor(clean)

    def _patch(self, rng: np.random.Generator) -> tuple[Image, Image]:
        rainy, clean = self.pairs[int(rng.integers(len(self.pairs)))]
        assert clean is not None  # derain.data.checks refuses training pairs without clean images
        rainy, clean = self._at_least_a_patch(rainy), self._at_least_a_patch(clean)
        height, width = clean.shape[:2]
        top = rng.integers(height - self.patch + 1)
        left = rng.integers(width - self.patch + 1)
        turns, flip = int(rng.integers(4)), rng.integers(2)

        def cut(image: Image) -> Image:
            turned: Image = np.rot90(image[top : top + self.patch, left : left + self.patch], turns)
            return turned[:, ::-1] if flip else turned

        return cut(rainy), cut(clean)

    def _at_least_a_patch(self, image: Image) -> Image:
        missing = [max(0, self.patch - side) for side in image.shape[:2]]
        if not any(missing):
            return image
        return np.pad(image, [(0, missing[0]), (0, missing[1]), (0, 0)], mode="reflect")


def as_tensor(image: Image) -> Tensor:
    """Convert 8-bit values to float32 in [0, 1], with the same axes."""
    return torch.from_numpy(image.astype(np.float32)) / 255
