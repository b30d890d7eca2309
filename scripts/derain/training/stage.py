"""The training of one stage: data and network in, θⁿ out, with what decided it."""

from collections import deque
from collections.abc import Mapping
from pathlib import Path

from derain.files import tensors
from derain.networks import weights
from derain.plan.recipes import TrainingRecipe
from derain.training.checkpoint import Checkpoint
from derain.training.ingredients import batches, terms
from derain.training.job import Job
from derain.training.log import Log
from derain.training.loop import train
from derain.training.table import follow


def train_stage(
    job: Job[TrainingRecipe],
    start: str | None,
    parents: Mapping[str, str],
    theta: str,
    table: str,
    log: str,
    runtime: float | None,
) -> None:
    """Train and write θ; `table` (derain.training.table) and `log` follow the training.

    start: θ at the start, None for that of the seed; parents: the files that θ descends from, by what they hold,
    "theta" and the states that the method carries; runtime: minutes that the job may take, None: any. Goes on where an
    earlier attempt at the same θ was interrupted. Of several processes, all of which are to call this, the first
    follows and writes.
    """
    network = job.network(start)
    added, drawn = terms(job, network, parents), batches(job, parents)
    decided_by = job.decided_by(parents)
    with job.resumed(theta, decided_by, network, log, runtime) as checkpoint:
        steps = train(network, drawn, job.recipe.training, added, job.settings.workers, checkpoint)
        if not isinstance(checkpoint, Checkpoint):
            deque(steps, maxlen=0)
            return
        total, title, folder = job.recipe.training.steps, "/".join(Path(theta).parts[-4:-1]), Path(theta).parent
        lines = Log(Path(log), title, total, checkpoint.done, job.settings.tensorboard, folder)
        validation = job.pairs("validation")
        follow(steps, network, job.settings, total, validation, Path(table), checkpoint.history, lines)
        tensors.write(theta, weights.of_network(network), decided_by)
