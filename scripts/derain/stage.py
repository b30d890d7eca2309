"""The training of one stage: data and network in, θⁿ out, with what decided it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from derain import weights
from derain.filedigest import file_digest
from derain.job import Job
from derain.progress import follow
from derain.training import Term, train


def train_stage(
    job: Job,
    network: nn.Module,
    batches: Dataset[tuple[Tensor, Tensor]],
    terms: Mapping[str, Term],
    parents: Mapping[str, str],
    theta: str,
    table: str,
    log: str,
) -> None:
    """Train in place and write θ; `table` and `log` follow the training (see derain.progress).

    batches, terms: as `derain.training.train` takes them; parents: the files that θ descends from, by what they are.
    """
    settings = job.settings["training"]
    follow(
        train(network, batches, job.recipe, terms, settings["workers"]),
        network,
        job.recipe,
        job.pairs("validation"),
        table=Path(table),
        log=Path(log),
        title="/".join(Path(theta).parts[-4:-1]),
        log_every=settings["log_every"],
        validate_every=settings["validate_every"],
    )
    decided_by = {
        **job.spec,
        "data": job.pairs("train").digest,
        "parents": {kind: file_digest(path) for kind, path in parents.items()},
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "safetensors": safetensors.__version__},
    }
    weights.write(theta, weights.of_network(network), decided_by)
