"""Import θ of a network that was trained elsewhere and is only evaluated here."""

from derain.errors import as_job
from derain.files import tensors
from derain.files.digest import check_digest
from derain.networks import weights
from derain.plan.recipes import GivenRecipe
from derain.training.network import network_on, section_of

with as_job(snakemake.log[0]):
    recipe = GivenRecipe(**snakemake.params.recipe)
    network = network_on("cpu", section_of(recipe, snakemake.config), 1, snakemake.params.weights)
    check_digest(snakemake.params.weights, recipe.initial_weights)
    tensors.write(snakemake.output[0], weights.of_network(network), recipe.plain() | weights.buffer_metadata(network))
