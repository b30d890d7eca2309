"""Take over θ of a network that was trained elsewhere and is only evaluated here."""

from derain.errors import exit_in_one_line
from derain.files import tensors
from derain.networks import weights
from derain.training.network import network_on

with exit_in_one_line(snakemake.log[0]):
    spec = snakemake.params.spec
    given = snakemake.config["networks"][snakemake.wildcards.network]["initial_weights"]
    network = network_on("cpu", spec["network"], 1, given)
    tensors.write(snakemake.output[0], weights.of_network(network), spec)
