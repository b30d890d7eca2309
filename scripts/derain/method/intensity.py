"""New rain made weaker or stronger, by the rain model O = B + R (NR, Eq. 1): Oₛ = clip(B + s·R).

The factor s of a sample comes from a range (`factors_in`), or makes its rain as weak as old rain (`factors_to`), but
never stronger than it is: rain that is multiplied looks like no rain, and the old network is wrong on it. The intensity
of rain is mean |O − B| over a patch. Of each old dataset, those of some training patches are carried from stage to
stage, a number each.

Draws are a pure function of the seed and of the sample's place in the batch, so a batch can be computed in parts:
`rainy` and `clean`, each (B, 3, H, W) in [0, 1], are a batch, or the part of it that begins at sample `first`.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from derain.data.patches import PatchSampler

Intensities = NDArray[np.float32]


def intensity(rainy: Tensor, clean: Tensor) -> Tensor:
    """Mean |O − B| of each sample, (B,)."""
    return (rainy - clean).abs().mean((1, 2, 3))


def state(
    samplers: Callable[[int], Iterable[tuple[str, PatchSampler]]], past: Mapping[str, Intensities], *, patches: int
) -> dict[str, Intensities]:
    """The intensities of `patches` training patches of each dataset, (patches,). samplers, past: see
    derain.method.ingredients.
    """
    return {**past, **{dataset: intensity(*sampler[0]).numpy() for dataset, sampler in samplers(patches)}}


def rain_of_other_strength(rainy: Tensor, clean: Tensor, factors: Tensor) -> Tensor:
    """Oₛ = clip(B + s·(O − B)). factors: s of each sample, (B,)."""
    return (clean + factors[:, None, None, None] * (rainy - clean)).clamp(0, 1)


def factors_in(bounds: tuple[float, float], rainy: Tensor, seed: Sequence[int], first: int = 0) -> Tensor:
    """Return s of each sample, (B,): log-uniform in `bounds` (low, high)."""
    low, high = (math.log(factor) for factor in bounds)
    return _beside(np.exp(np.random.default_rng(seed).uniform(low, high, first + len(rainy))[first:]), rainy)


def factors_to(old: Sequence[Intensities], rainy: Tensor, clean: Tensor, seed: Sequence[int], first: int = 0) -> Tensor:
    """Return s of each sample, (B,), at most 1, so that s·R has an old intensity: of a drawn dataset, then of one of
    its patches. old: intensities of patches by dataset.
    """
    wanted = []
    for dataset, patch in np.random.default_rng(seed).random((first + len(rainy), 2))[first:]:
        of_dataset = old[int(dataset * len(old))]
        wanted.append(of_dataset[int(patch * len(of_dataset))])
    return (_beside(np.array(wanted), rainy) / intensity(rainy, clean)).nan_to_num(0).clamp(max=1)


def _beside(numbers: NDArray[np.floating], rainy: Tensor) -> Tensor:
    # Without non_blocking, the copy would wait until a CUDA device has computed everything before it.
    return torch.from_numpy(numbers).to(rainy.dtype).to(rainy.device, non_blocking=True)
