"""What the torch jobs of a stage have in common: data, patches and network, each decided by the spec."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from derain.data.patches import PatchSampler
from derain.data.store import PackedPairs
from derain.networks import network_on
from derain.training import Recipe

# Streams of random numbers that must not meet: a seed is (seed, stream, depth of the stage), then the step.
TRAINING, IMPORTANCE, MEMORY, REHEARSAL, THEORY, DISTILLATION = 1, 2, 3, 4, 5, 6


@dataclass(frozen=True)
class Job:
    """What decides a job's numbers (spec, stores) and what does not (settings).

    spec: "network" and "training" sections of the config, "seed", "depth" (how many datasets θ has seen), "code"
    (its digest), and what the job adds; stores: (pairs.csv, pixels.bin) of each dataset; settings: the config.
    """

    spec: Mapping[str, Any]
    stores: Sequence[tuple[str, str]]
    settings: Mapping[str, Any]

    @property
    def recipe(self) -> Recipe:
        """How θ is trained."""
        return Recipe(**{name: self.spec["training"][name] for name in Recipe.__dataclass_fields__})

    def pairs(self, split: str) -> PackedPairs:
        """The pairs of all stores."""
        return PackedPairs(self.stores, split)

    def network(self, theta: str | None = None) -> nn.Module:
        """θ from a file, or initialised from the seed."""
        torch.manual_seed(self.spec["seed"])
        return network_on(self.settings["device"], self.spec["network"], self.spec["training"]["threads"], theta)

    def batches(self, stream: int, size: int) -> PatchSampler:
        """Training patches in batches of `size`."""
        seed = (self.spec["seed"], stream, self.spec["depth"])
        return PatchSampler(self.pairs("train"), self.spec["training"]["patch"], size, seed)
