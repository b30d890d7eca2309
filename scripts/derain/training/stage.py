"""The training of one stage: data and network in, θⁿ out, with what decided it."""

from collections import deque
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn
from torch.utils.data import Dataset

from derain.files import tensors
from derain.networks import weights
from derain.training.checkpoint import Checkpoint
from derain.training.job import Job
from derain.training.log import follow
from derain.training.loop import Term, train


def train_stage(
    job: Job,
    network: nn.Module,
    batches: Dataset[tuple[Tensor, Tensor]],
    terms: Mapping[str, Term],
    parents: Mapping[str, str],
    theta: str,
    table: str,
    log: str,
    runtime: float | None,
) -> None:
    """Train in place and write θ; `table` and `log` follow the training (see derain.training.log).

    batches, terms: as `derain.training.loop.train` takes them; parents: the files that θ descends from, by what they
    are; runtime: minutes that the job may take, None: any. Goes on where an earlier attempt at the same θ was
    interrupted. Of several processes, all of which are to call this, the first follows and writes.
    """
    settings = job.settings["training"]
    decided_by = job.decided_by(parents)
    with job.resumed(theta, decided_by, network, log, runtime) as checkpoint:
        steps = train(network, batches, job.recipe, terms, settings["workers"], checkpoint)
        if not isinstance(checkpoint, Checkpoint):
            deque(steps, maxlen=0)
            return
        follow(
            steps,
            network,
            job.recipe,
            job.pairs("validation"),
            table=Path(table),
            log=Path(log),
            title="/".join(Path(theta).parts[-4:-1]),
            log_every=settings["log_every"],
            validate_every=settings["validate_every"],
            done=checkpoint.done,
            history=checkpoint.history,
            tensorboard=settings["tensorboard"],
        )
        tensors.write(theta, weights.of_network(network), decided_by)
