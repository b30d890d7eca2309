"""Trains one stage and writes θ, with everything that decided it as metadata."""

from collections import deque
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from derain.files import tensors
from derain.networks import weights
from derain.plan.recipes import TrainingRecipe
from derain.training.checkpoint import Checkpoint
from derain.training.ingredients import batches, terms
from derain.training.job import Job
from derain.training.log import Log
from derain.training.loop import train
from derain.training.table import follow, is_logged


def train_stage(
    job: Job[TrainingRecipe],
    start: str | None,
    parents: Mapping[str, str],
    theta: str,
    table: str,
    log: str,
    runtime: float | None,
) -> None:
    """Train and write θ; write `table` (derain.training.table) and `log` during the training.

    start: file of θ at the start, None to start from the seed; parents: the files that θ descends from, by kind
    ("theta" and the states that the method carries); runtime: time limit of the job in minutes, None for no limit. It
    continues from the checkpoint of an earlier attempt at the same θ. With several processes, all must call it, and
    rank 0 writes.
    """
    network = job.network(start)
    added, drawn = terms(job, network, parents), batches(job, parents)
    decided_by = job.decided_by(parents)
    with job.resumed(theta, decided_by, network, log, runtime) as checkpoint:
        settings, total = job.settings, job.recipe.training.steps
        read = partial(is_logged, total=total, settings=settings)
        taken = train(network, drawn, job.recipe.training, added, settings.workers, checkpoint, read)
        if not isinstance(checkpoint, Checkpoint):
            deque(taken, maxlen=0)
            return
        title, folder = "/".join(Path(theta).parts[-4:-1]), Path(theta).parent
        lines = Log(Path(log), title, total, checkpoint.done, settings.tensorboard, folder)
        validation = job.pairs("validation")
        follow(taken, network, settings, total, validation, Path(table), checkpoint.history, lines)
        tensors.write(theta, weights.of_network(network), decided_by | weights.buffer_metadata(network))
