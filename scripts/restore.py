"""Restore the photographs of the config with the network of a stage."""

from pathlib import Path

from derain.errors import EachFaultError, as_job
from derain.files.metadata import check
from derain.plan.recipes import RestorationRecipe
from derain.report.comparison import side_by_side, write_comparison
from derain.restoration.folder import remove_others, restore_into
from derain.restoration.photographs import COMPARED
from derain.restoration.planned import PlannedPhotographs
from derain.training.network import network_on, section_of

with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    recipe = RestorationRecipe(**snakemake.params.recipe)
    asked = snakemake.config["photographs"]
    todo = PlannedPhotographs(asked["files"], Path(snakemake.params.cache)).unchanged(snakemake.params.photographs)
    section = section_of(recipe, snakemake.config)
    network = network_on(snakemake.config["device"], section, recipe.threads, snakemake.input.theta).eval()
    out = Path(snakemake.output[0]).parents[1]
    for place in remove_others(out, todo):
        (out / COMPARED / side_by_side(place.as_posix())).unlink(missing_ok=True)
    _, outcome = restore_into(
        out, todo, network, asked["memory"], compare=write_comparison, recipe=snakemake.params.recipe
    )
    if outcome.faults:
        raise EachFaultError("\n".join(outcome.faults))
