"""Copy θ and training table of the chosen candidate to the stage."""

import csv
from pathlib import Path

from derain.errors import as_job
from derain.files.atomic import write_whole

with as_job(snakemake.log[0]):
    with Path(snakemake.input.choice).open(newline="", encoding="utf-8") as file:
        chosen = [row["chosen"] == "True" for row in csv.DictReader(file)].index(True)
    write_whole(snakemake.output.table, Path(snakemake.input.trainings[chosen]).read_bytes())
    write_whole(snakemake.output.theta, Path(snakemake.input.thetas[chosen]).read_bytes())
