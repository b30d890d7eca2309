"""Common parts of the torch jobs of a stage: data, patches and network, as the recipe decides them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import safetensors
import torch
from torch import nn

from derain.config.training import TrainingSection
from derain.data.patches import PatchSampler
from derain.data.store import PackedPairs, near
from derain.errors import print_and_log
from derain.files.digest import check_digest, file_digest
from derain.plan.recipes import TrainingRecipe
from derain.training.checkpoint import Checkpoint, ResumePoint
from derain.training.interruption import stop_requests
from derain.training.network import network_on, section_of
from derain.training.processes import broadcast, rank, together

R = TypeVar("R", bound=TrainingRecipe)


class Job(Generic[R]):
    """A torch job. Its recipe and stores decide its numbers, its settings do not.

    tables, pixels: pairs.csv and pixels.bin of each dataset; config: the config of the experiment, as plain values;
    log: of the job, for messages about the stores, None for none.
    """

    def __init__(
        self, recipe: R, tables: Iterable[str], pixels: Iterable[str], config: Mapping[str, Any], log: str | None
    ) -> None:
        self.recipe, self.config, self.device = recipe, config, config["device"]
        stores = zip(tables, pixels, recipe.datasets.values(), strict=True)
        self.stores = near(stores, config["local_scratch"], log)
        self.settings = TrainingSection(**config["training"])

    def pairs(self, split: str) -> PackedPairs:
        """The pairs of a split, of all stores."""
        return PackedPairs(self.stores, split)

    def network(self, theta: str | None = None) -> nn.Module:
        """The network, with θ from a file or initialised from the seed."""
        torch.manual_seed(self.recipe.seed)
        section = section_of(self.recipe, self.config)
        network = network_on(self.device, section, self.recipe.training.threads, theta)
        if theta is not None and self.recipe.initial_weights is not None:
            check_digest(theta, self.recipe.initial_weights)  # after reading, to find a file that was replaced before
        return network

    def together(self, work: Callable[[], None], log: str) -> None:
        """Run work() in as many processes as `training.devices` says (see derain.training.processes)."""
        together(self.settings.devices, self.device, work, log)

    @cached_property
    def versions(self) -> dict[str, str]:
        """Versions of the libraries that compute and write."""
        return {"torch": torch.__version__, "numpy": np.__version__, "safetensors": safetensors.__version__}

    def decided_by(self, parents: Mapping[str, str]) -> dict[str, Any]:
        """Everything that decides the result, as JSON values. parents: files it descends from, by kind ("theta")."""
        return {
            **self.recipe.plain(),
            "data": self.pairs("train").digest,
            "parents": {kind: file_digest(path) for kind, path in parents.items()},
            "versions": self.versions,
        }

    @contextmanager
    def resumed(
        self, output: str, decided_by: Mapping[str, Any], network: nn.Module, log: str, runtime: float | None
    ) -> Iterator[ResumePoint]:
        """Yield the checkpoint of the job that makes `output`; messages about it go to the log.

        Within the context, a signal or the time limit `runtime` (minutes, None for no limit) ends the job after a step.
        With several processes, rank 0 has the checkpoint, and the others get its progress.
        """
        if rank() > 0:
            yield ResumePoint(*broadcast(None))
            return
        fingerprint = {
            "result": decided_by,
            "file": Path(output).name,  # distinguishes the shards of an Ω
            "validation": self.pairs("validation").digest,  # its PSNR is in the table of a training
            "device": next(network.parameters()).device.type,
        }
        with stop_requests(runtime) as stop:
            checkpoint = Checkpoint(
                output, fingerprint, self.settings.checkpoint_every, stop, partial(print_and_log, log=log)
            )
            broadcast((checkpoint.done, checkpoint.state))
            yield checkpoint

    def batches(self, stream: int, size: int) -> PatchSampler:
        """Training patches in batches of `size`."""
        seed = (self.recipe.seed, stream, self.recipe.depth)
        return PatchSampler(self.pairs("train"), self.recipe.training.patch, size, seed)
