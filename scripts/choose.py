"""Choose the strengths of a method for one stage among its candidates."""

from dataclasses import asdict
from pathlib import Path

from derain.data.store import PackedPairs
from derain.errors import as_job
from derain.files import tensors
from derain.files.metadata import check
from derain.files.rows import write_rows
from derain.plan.recipes import ChoiceRecipe
from derain.training.checkpoint import discard
from derain.training.search import Candidate, choose, last_validation, moves, rainy_psnr

with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    files, recipe = snakemake.input, ChoiceRecipe(**snakemake.params.recipe)
    discard(files.thetas)
    pairs = PackedPairs(zip(files.tables, files.pixels, recipe.datasets.values(), strict=True), "validation")
    rainy = rainy_psnr(pairs)
    before = tensors.parameters(files.theta)
    omega = tensors.read(files.omega)[0] if "omega" in files.keys() else None  # noqa: SIM118 (no dict)
    candidates = []
    for scale, theta, training in zip(recipe.scales, files.thetas, files.trainings, strict=True):
        move, bound = moves(before, tensors.read(theta)[0], omega)
        candidates.append(Candidate(scale, last_validation(training), move, bound))
    chosen = choose(candidates, rainy, recipe.give_up)
    rows = [{**asdict(c), "rainy_psnr_rgb_db": rainy, "chosen": c is chosen} for c in candidates]
    write_rows(Path(snakemake.output[0]), list(rows[0]), rows)
