"""Put all stages of the experiment into the stage store: also those that were finished before it was named."""

import json
from pathlib import Path

from derain.curriculum import THETA, TRAINING_TABLE
from derain.errors import UserError, exit_in_one_line, note
from derain.files.stagestore import ORIGIN, made_here, put

with exit_in_one_line(snakemake.log[0]):
    if not all(snakemake.params.entries):
        raise UserError("config: stage_store: is missing: which folder?")
    for theta, entry in zip(snakemake.input.thetas, snakemake.params.entries, strict=True):
        files = {THETA: theta, TRAINING_TABLE: str(Path(theta).with_name(TRAINING_TABLE))}
        origin = Path(theta).with_name(ORIGIN)
        made = json.loads(origin.read_text(encoding="utf-8")) if origin.is_file() else made_here(files)
        note(put(Path(entry), files, made), snakemake.log[0])
