"""What several test files share: small networks, small data, determinism."""

import numpy as np
import pytest
import torch
from derain.networks import build


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed():
    """The same numbers on every machine, and no fight over its cores."""
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def tiny():
    """A PReNet small enough for oracles that take one sample, one weight, one pixel at a time."""
    return build("prenet", stages=2, channels=4, blocks=1)


@pytest.fixture
def images():
    """n random (rainy, clean) pairs of 8-bit values in [0, 1], unequal everywhere that matters."""

    def make(n: int, side: int = 16, dtype: torch.dtype = torch.float64, seed: int = 0):
        rng = np.random.default_rng(seed)
        clean = rng.integers(0, 200, (n, 3, side, side))
        rainy = np.clip(clean + rng.integers(0, 60, (n, 1, side, side)), 0, 255)
        return (torch.from_numpy(side / 255).to(dtype) for side in (rainy, clean))

    return make


class Pairs(list):
    """(rainy, clean) uint8 images in memory, used as a PackedPairs."""

    digest = "of these images"


@pytest.fixture
def pairs():
    """Images whose every pixel tells where it is: red the row, green the column, blue the image; rainy is inverted."""
    found = Pairs()
    for n, (height, width) in enumerate([(20, 31), (24, 24), (40, 22)]):
        row, column = np.mgrid[0:height, 0:width]
        clean = np.stack([row, column, np.full_like(row, n)], -1).astype(np.uint8)
        found.append((255 - clean, clean))
    return found
