"""Take over θ of a network that was trained elsewhere and is only evaluated here."""

from derain import weights
from derain.errors import exit_in_one_line
from derain.networks import network_on

with exit_in_one_line(snakemake.log[0]):
    spec = snakemake.params.spec
    given = snakemake.config["networks"][snakemake.wildcards.network]["initial_weights"]
    network = network_on("cpu", spec["network"], 1, given)
    weights.write(snakemake.output[0], weights.of_network(network), spec)
