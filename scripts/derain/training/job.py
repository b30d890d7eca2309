"""What the torch jobs of a stage have in common: data, patches and network, each decided by the spec."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from torch import nn

from derain.data.patches import PatchSampler
from derain.data.store import PackedPairs
from derain.errors import tell
from derain.files.digest import file_digest
from derain.training.checkpoint import Checkpoint, Reached
from derain.training.interruption import told_to_stop
from derain.training.loop import Recipe
from derain.training.network import network_on
from derain.training.processes import of_first, rank, together

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

    def together(self, work: Callable[[], None], log: str) -> None:
        """Run work() in as many processes as `training.devices` says (see derain.training.processes)."""
        together(self.settings["training"]["devices"], self.settings["device"], work, log)

    def decided_by(self, parents: Mapping[str, str]) -> dict[str, Any]:
        """All that decides the result, as JSON values. parents: the files that it descends from, by what they are."""
        return {
            **self.spec,
            "data": self.pairs("train").digest,
            "parents": {kind: file_digest(path) for kind, path in parents.items()},
            "versions": {"torch": torch.__version__, "numpy": np.__version__, "safetensors": safetensors.__version__},
        }

    @contextmanager
    def resumed(
        self, output: str, decided_by: Mapping[str, Any], network: nn.Module, log: str, runtime: float | None
    ) -> Iterator[Reached]:
        """The checkpoint of the job that makes `output` from the network, told in its log.

        Meanwhile a signal, or the end of the `runtime` (minutes, where there is a limit), ends the job at a step. Of
        several processes the first has the checkpoint, and the others go on from where that is.
        """
        if rank() > 0:
            yield Reached(*of_first(None))
            return
        fingerprint = {
            "result": decided_by,
            "file": Path(output).name,  # tells the shards of an Ω apart
            "validation": self.pairs("validation").digest,  # stands in the table of a training
            "device": next(network.parameters()).device.type,
        }
        with told_to_stop(runtime) as stop:
            every = self.settings["training"]["checkpoint_every"]
            checkpoint = Checkpoint(output, fingerprint, every, stop, partial(tell, log=log))
            of_first((checkpoint.done, checkpoint.state))
            yield checkpoint

    def batches(self, stream: int, size: int) -> PatchSampler:
        """Training patches in batches of `size`."""
        seed = (self.spec["seed"], stream, self.spec["depth"])
        return PatchSampler(self.pairs("train"), self.spec["training"]["patch"], size, seed)
