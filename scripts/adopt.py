"""Take the chosen candidate as the stage's θ."""

import csv
import shutil
from pathlib import Path

from derain.errors import exit_in_one_line

with exit_in_one_line(snakemake.log[0]):
    with Path(snakemake.input.choice).open(newline="", encoding="utf-8") as file:
        chosen = [row["chosen"] == "True" for row in csv.DictReader(file)].index(True)
    shutil.copyfile(snakemake.input.trainings[chosen], snakemake.output.table)
    shutil.copyfile(snakemake.input.thetas[chosen], snakemake.output.theta)
