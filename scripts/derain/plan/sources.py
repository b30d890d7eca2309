"""The sources of an experiment's datasets."""

from pathlib import Path

from derain.config.schema import Experiment
from derain.data.sources import Sources
from derain.plan.codedigest import code_digest


def sources_of(experiment: Experiment, folder: Path) -> Sources:
    """What the datasets on disk are now. folder: of the results' datasets."""
    sections = {name: experiment.datasets[name].model_dump(mode="json") for name in experiment.scored_datasets}
    trained, patch = experiment.trained_datasets, experiment.training.patch
    return Sources(sections, trained, patch, experiment.on_leakage, folder, code_digest)
