"""Builds the sources of an experiment: its datasets and weights."""

from pathlib import Path

from derain.config.experiment import Experiment
from derain.data.sources import Sources
from derain.plan.codedigest import code_digest


def sources_of(experiment: Experiment, folder: Path, digests: dict[str, dict[str, str]] | None = None) -> Sources:
    """The datasets and weights on disk. digests: in a job, those that its run found; None in the main process.

    folder: the folder of datasets in the results.
    """
    sections = {name: experiment.datasets[name].model_dump(mode="json") for name in experiment.packed_datasets}
    networks = [experiment.networks[name] for name in (*experiment.trained_networks, *experiment.given_networks)]
    weights = [network.initial_weights for network in networks if network.initial_weights]
    trained, patch = experiment.datasets_with_training_pairs, experiment.training.patch
    return Sources(sections, trained, patch, experiment.on_leakage, weights, folder, code_digest, digests)
