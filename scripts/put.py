"""Put all trainings of the experiment into the stage store, also those that finished before it was configured."""

from pathlib import Path

from derain.curriculum import THETA, TRAINING_TABLE
from derain.errors import UserError, as_job
from derain.files.metadata import check
from derain.files.origin import made_here, origin_of
from derain.files.stagestore import put

with as_job(snakemake.log[0]):
    params = snakemake.params
    if not all(params.entries):
        raise UserError("config: stage_store: is missing; name the folder of the store")
    check(params.recipes)
    for theta, entry in zip(snakemake.input.thetas, params.entries, strict=True):
        files = {THETA: theta, TRAINING_TABLE: str(Path(theta).with_name(TRAINING_TABLE))}
        put(Path(entry), files, origin_of(theta) or made_here(files), snakemake.log[0])
