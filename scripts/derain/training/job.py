"""What the torch jobs of a stage have in common: data, patches and network, each decided by the recipe."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import safetensors
import torch
from torch import nn

from derain.config.sections import TrainingSection
from derain.data.patches import PatchSampler
from derain.data.store import PackedPairs
from derain.errors import tell
from derain.files.digest import check_digest, file_digest
from derain.plan.recipes import TrainingRecipe
from derain.training.checkpoint import Checkpoint, Reached
from derain.training.interruption import told_to_stop
from derain.training.network import network_on
from derain.training.processes import broadcast, rank, together

R = TypeVar("R", bound=TrainingRecipe)


class Job(Generic[R]):
    """What decides a job's numbers (recipe, stores) and what does not (settings).

    stores: (pairs.csv, pixels.bin) of each dataset; config: of the experiment, as plain values.
    """

    def __init__(self, recipe: R, tables: Iterable[str], pixels: Iterable[str], config: Mapping[str, Any]) -> None:
        self.recipe, self.device = recipe, config["device"]
        self.stores = list(zip(tables, pixels, recipe.datasets.values(), strict=True))
        self.settings = TrainingSection(**config["training"])

    def pairs(self, split: str) -> PackedPairs:
        """The pairs of all stores."""
        return PackedPairs(self.stores, split)

    def network(self, theta: str | None = None) -> nn.Module:
        """θ from a file, or initialised from the seed."""
        torch.manual_seed(self.recipe.seed)
        network = network_on(self.device, self.recipe.network, self.recipe.training.threads, theta)
        if theta is not None and self.recipe.initial_weights is not None:
            check_digest(theta, self.recipe.initial_weights)  # after they were read: it is these that count
        return network

    def together(self, work: Callable[[], None], log: str) -> None:
        """Run work() in as many processes as `training.devices` says (see derain.training.processes)."""
        together(self.settings.devices, self.device, work, log)

    @cached_property
    def versions(self) -> dict[str, str]:
        """Of the libraries that compute and write."""
        return {"torch": torch.__version__, "numpy": np.__version__, "safetensors": safetensors.__version__}

    def decided_by(self, parents: Mapping[str, str]) -> dict[str, Any]:
        """All that decides the result, as JSON values. parents: the files that it descends from, by what they are."""
        return {
            **self.recipe.plain(),
            "data": self.pairs("train").digest,
            "parents": {kind: file_digest(path) for kind, path in parents.items()},
            "versions": self.versions,
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
            yield Reached(*broadcast(None))
            return
        fingerprint = {
            "result": decided_by,
            "file": Path(output).name,  # tells the shards of an Ω apart
            "validation": self.pairs("validation").digest,  # stands in the table of a training
            "device": next(network.parameters()).device.type,
        }
        with told_to_stop(runtime) as stop:
            checkpoint = Checkpoint(output, fingerprint, self.settings.checkpoint_every, stop, partial(tell, log=log))
            broadcast((checkpoint.done, checkpoint.state))
            yield checkpoint

    def batches(self, stream: int, size: int) -> PatchSampler:
        """Training patches in batches of `size`."""
        seed = (self.recipe.seed, stream, self.recipe.depth)
        return PatchSampler(self.pairs("train"), self.recipe.training.patch, size, seed)
