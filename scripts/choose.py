"""Choose the strengths of a method for one stage among its candidates."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from derain.data.store import PackedPairs
from derain.errors import exit_in_one_line
from derain.evaluation.metrics import psnr
from derain.files import tensors
from derain.files.rows import write_rows
from derain.training.checkpoint import discard
from derain.training.search import Candidate, choose, last_validation, moves

with exit_in_one_line(snakemake.log[0]):
    discard(snakemake.input.thetas)
    pairs = PackedPairs([(snakemake.input.table, snakemake.input.pixels)], "validation")
    rainy = float(np.mean([psnr(rainy.astype(float), clean.astype(float)) for rainy, clean in pairs]))
    before, _ = tensors.read(snakemake.input.theta)
    omega = tensors.read(snakemake.input.omega[0])[0] if snakemake.input.omega else None
    candidates = []
    files = zip(snakemake.params.scales, snakemake.input.thetas, snakemake.input.trainings, strict=True)
    for scale, theta, training in files:
        move, bound = moves(before, tensors.read(theta)[0], omega)
        candidates.append(Candidate(scale, last_validation(training), move, bound))
    chosen = choose(candidates, rainy, snakemake.params.give_up)
    rows = [{**asdict(c), "rainy_psnr_rgb_db": rainy, "chosen": c is chosen} for c in candidates]
    write_rows(Path(snakemake.output[0]), list(rows[0]), rows)
