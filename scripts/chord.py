"""Score a blend of the networks before and after a stage on the test images of the datasets learned so far."""

from functools import partial

from derain.data.store import PackedPairs, near
from derain.errors import as_job
from derain.evaluation.scores import idle_processors, score_outputs, write_scores
from derain.evaluation.tiles import restored_output
from derain.files import tensors
from derain.files.metadata import check
from derain.method.accumulation import accumulate
from derain.method.blend import blended
from derain.networks.weights import load_arrays
from derain.plan.recipes import ChordRecipe
from derain.training.network import network_on, section_of

with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    files, config, log = snakemake.input, snakemake.config, snakemake.log[0]
    recipe = ChordRecipe(**snakemake.params.recipe)
    before, after = (tensors.read(theta)[0] for theta in files.thetas)
    omegas = None
    if files.omegas:
        old, *others, new = (tensors.read(omega)[0] for omega in files.omegas)
        for learned, omega in enumerate(others, recipe.at_once):
            old = accumulate(old, omega, learned, "mean", 0)
        omegas = old, new
    network = network_on(config["device"], section_of(recipe, config), recipe.threads)
    load_arrays(network, blended(before, after, recipe.alpha, omegas))
    name = f"{files.thetas[1]} and the one before it, blended with alpha {recipe.alpha:g}"
    output = partial(restored_output, network, side=recipe.tile, theta=name)
    rows = []
    for (dataset, digest), *store in zip(recipe.datasets.items(), files.tables, files.pixels, strict=True):
        pairs = PackedPairs(near([(*store, digest)], config["local_scratch"], log), "test")
        rows += score_outputs(dataset, pairs, output, recipe.rounding, (), recipe.ssim, idle_processors(network))[0]
    write_scores(snakemake.output[0], rows)
