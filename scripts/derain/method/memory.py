"""A memory of earlier datasets, and training batches with old samples made from it. The setting of NR allows neither.

A memory holds K small patches of every dataset seen. Old samples made from them are in every batch, either in places
of new ones ("replace"), so that a step costs the same number of network passes with and without a memory, or beside all
new ones ("add"):

| keep | stored | an old sample |
|---|---|---|
| rain | layers R = O − B, int16, (K, 3, P, P) | (clip(B' + R), B') on a clean patch B' of the *new* dataset |
| pairs | O and B, uint8, (K, 2, 3, P, P) | (O, B) itself: experience replay (Rolnick et al. 2019) |

By the rain model O = B + R (NR, Eq. 1), a layer is rain without a scene, except where O was clipped or recompressed.
Both kinds take 6 bytes a pixel (`derain.config.methods.Memory.bytes_of_dataset`).

`chosen` selects the patches from a pool of POOL · K: "random" · "density": those with the most rain, mean |R| ·
"kmeans": one of each of K clusters of rain, by the magnitude spectrum of R, which does not depend on where streaks are.

Every old sample is flipped and rotated like training patches. A layer may be varied further, because it need not fit a
scene: "shift" rolls it by a random distance, "gain" multiplies it by a random factor in GAIN, "mix" adds a layer of the
same dataset. A layer that is smaller than a training patch is continued periodically.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from torch import Tensor
from torch.utils.data import Dataset

from derain.data.patches import PatchSampler, as_tensor

Stored = NDArray[np.int16] | NDArray[np.uint8]

STREAM = 4  # random stream (derain.training.streams)
POOL = 8
GAIN = (0.7, 1.4)


def chosen(how: str, rainy: Tensor, clean: Tensor, count: int, seed: Sequence[int]) -> NDArray[np.intp]:
    """Indices of the `count` patches to keep, ascending. how: see above; rainy, clean: the pool, (N, 3, P, P)."""
    rain = (rainy - clean).mean(1).numpy()  # (N, P, P)
    if how == "random":
        return np.arange(count)  # the pool is in random order
    if how == "density":
        return np.sort(np.argsort(-np.abs(rain).mean((1, 2)), kind="stable")[:count])
    spectra = np.log1p(np.abs(np.fft.rfft2(rain))).reshape(len(rain), -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty clusters, which are handled below
        centres, cluster = kmeans2(spectra, count, minit="++", rng=np.random.default_rng(seed))
    distance = np.square(spectra - centres[cluster]).sum(1)
    nearest = [int(np.flatnonzero(cluster == k)[distance[cluster == k].argmin()]) for k in np.unique(cluster)]
    others = np.setdiff1d(np.arange(len(rain)), nearest)  # fill the places of empty clusters
    return np.sort(np.array([*nearest, *others][:count]))


def stored_form(keep: str, rainy: Tensor, clean: Tensor) -> Stored:
    """The stored form of patches. keep: "rain" or "pairs"; rainy, clean: (K, 3, P, P) in [0, 1], of 8-bit images."""
    levels = np.rint(np.stack([rainy, clean], axis=1) * 255)
    return (levels[:, 0] - levels[:, 1]).astype(np.int16) if keep == "rain" else levels.astype(np.uint8)


def state(
    samplers: Callable[[int], Iterable[tuple[str, PatchSampler]]],
    past: Mapping[str, Stored],
    *,
    keep: str,
    patches: int,
    select: str,
) -> dict[str, Stored]:
    """A memory with `patches` patches of each dataset, chosen by `select`. samplers, past: see
    derain.method.ingredients.
    """
    memory = dict(past)
    for dataset, pool in samplers(POOL * patches):
        rainy, clean = pool[0]
        mine = chosen(select, rainy, clean, patches, pool.seed)
        memory[dataset] = stored_form(keep, rainy[mine], clean[mine])
    return memory


class WithMemory(Dataset[tuple[Tensor, Tensor]]):
    """Batches whose first round(share · B) samples come from the memory, as a pure function of (seed, step).

    batches: `batches[step]` → (rainy, clean), each (B, 3, P, P) in [0, 1]; memory: patches by dataset (`stored_form`);
    places: "replace", or "add", which prepends the old samples to all B new ones (rain falls on copies of the first new
    clean patches); vary: variations of layers (see above). For each place a dataset is drawn, all with the same
    probability, then one of its patches, flipped and rotated by a multiple of 90°.
    """

    def __init__(
        self,
        batches: Any,
        memory: Mapping[str, Stored],
        share: float,
        seed: Sequence[int],
        vary: Sequence[str] = (),
        places: str = "replace",
    ) -> None:
        self.batches, self.share, self.seed, self.vary, self.places = batches, share, tuple(seed), vary, places
        self.stored = [memory[name] for name in sorted(memory)]

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((*self.seed, step))
        rainy, clean = self.batches[step]
        old = round(self.share * len(rainy))
        if self.places == "add":
            rainy, clean = (torch.cat([side[:old], side]) for side in (rainy, clean))
        for place in range(old):
            of_dataset = self.stored[rng.integers(len(self.stored))]
            drawn = _turned(of_dataset[rng.integers(len(of_dataset))], rng)
            if drawn.ndim == 3:  # a layer
                layer = self._varied(drawn.astype(np.float32), of_dataset, rng)
                room = [(0, 0), *((0, size - layer.shape[-1]) for size in clean.shape[-2:])]
                rain = torch.from_numpy(np.pad(layer, room, mode="wrap")) / 255
                rainy[place] = (clean[place] + rain).clamp(0, 1)
            else:
                rainy[place], clean[place] = as_tensor(np.ascontiguousarray(drawn))
        return rainy, clean

    def _varied(self, layer: NDArray[np.float32], of_dataset: Stored, rng: np.random.Generator) -> NDArray[np.float32]:
        if "mix" in self.vary:
            layer += _turned(of_dataset[rng.integers(len(of_dataset))], rng)
        if "gain" in self.vary:
            layer *= np.float32(rng.uniform(*GAIN))
        if "shift" in self.vary:
            layer = np.roll(layer, rng.integers(layer.shape[-1], size=2), (-2, -1))
        return layer


def _turned(patch: Any, rng: np.random.Generator) -> Any:
    """A random one of the eight flips and quarter turns of (..., P, P)."""
    turned = np.rot90(patch, int(rng.integers(4)), (-2, -1))
    return turned[..., ::-1] if rng.integers(2) else turned


def batches(
    batches: Dataset[tuple[Tensor, Tensor]], state: Mapping[str, Stored], seed: Sequence[int], **options: Any
) -> WithMemory:
    """Batches of a stage with old samples. state: the memory by dataset; options: arguments of `WithMemory`."""
    root, depth = seed
    return WithMemory(batches, state, seed=(root, STREAM, depth), **options)
