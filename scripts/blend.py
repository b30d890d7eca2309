"""Blend θ of a training with θ of the stage before; α is fixed, or chosen on validation pairs of the new dataset."""

from pathlib import Path

from derain.data.store import PackedPairs, near
from derain.errors import as_job
from derain.files import tensors
from derain.files.atomic import write_whole
from derain.files.digest import file_digest
from derain.files.metadata import BUFFERS, check
from derain.files.rows import write_rows
from derain.files.stagestore import record_finished
from derain.method.blend import blended
from derain.plan.recipes import BlendRecipe
from derain.training.blend import take_blend
from derain.training.checkpoint import discard
from derain.training.network import network_on, section_of

with as_job(snakemake.log[0]):
    check(snakemake.params.recipes)
    files, output, config, log = snakemake.input, snakemake.output, snakemake.config, snakemake.log[0]
    recipe = BlendRecipe(**snakemake.params.recipe)
    discard([files.trained])
    stores = zip(files.tables, files.pixels, recipe.datasets.values(), strict=True)
    pairs = PackedPairs(near(stores, config["local_scratch"], log), "validation")
    before, (trained, metadata) = tensors.read(files.theta)[0], tensors.read(files.trained)
    weights = tensors.parameters(files.theta)
    network = network_on(config["device"], section_of(recipe, config), recipe.threads)
    thetas = {alpha: blended(before, trained, alpha) for alpha in (1.0, *recipe.alphas)}
    taken, rows = take_blend(recipe, network, weights, thetas, pairs)
    parents = {name: file_digest(files[name]) for name in ("theta", "trained")}
    buffers = {BUFFERS: metadata[BUFFERS]} if BUFFERS in metadata else {}
    write_rows(Path(output.choice), list(rows[0]), rows)
    write_whole(output.table, Path(files.training).read_bytes())
    tensors.write(output.theta, thetas[taken], {**recipe.plain(), "parents": parents, **buffers})
    record_finished(output)
