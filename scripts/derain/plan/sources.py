"""Builds the sources of an experiment: its datasets, weights and network classes of the user's own."""

from pathlib import Path

from derain.config.experiment import Experiment
from derain.data.sources import Sources
from derain.plan.codedigest import code_digest
from derain.plan.networks import digests_of_classes


def sources_of(experiment: Experiment, folder: Path, digests: dict[str, dict[str, str]] | None = None) -> Sources:
    """The datasets, weights and classes on disk. digests: in a job, those that its run found; None in the main process.

    folder: the folder of datasets in the results. Raises UserError if a class has no source.
    """
    sections = {name: experiment.datasets[name].model_dump(mode="json") for name in experiment.packed_datasets}
    networks = [experiment.networks[name] for name in (*experiment.trained_networks, *experiment.given_networks)]
    weights = [file for each in networks for file in (each.initial_weights, *each.omega.values()) if file]
    classes = {} if digests else digests_of_classes(experiment)
    return Sources(
        sections,
        experiment.ordered_datasets,
        experiment.datasets_with_training_pairs,
        experiment.training.patch,
        experiment.on_leakage,
        weights,
        classes,
        folder,
        code_digest,
        digests,
    )
