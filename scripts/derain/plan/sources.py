"""Builds the sources of an experiment: its datasets, weights and network classes of the user's own."""

from pathlib import Path

from derain.config.experiment import Experiment
from derain.data.samples import USES
from derain.data.sources import Sources
from derain.data.store import pairs_digest, read_store
from derain.errors import UserError
from derain.plan.codedigest import code_digest
from derain.plan.datasets import tables
from derain.plan.networks import digests_of_classes
from derain.plan.planned import last_run


def sources_of(experiment: Experiment, folder: Path, digests: dict[str, dict[str, str]] | None = None) -> Sources:
    """The datasets, weights and classes on disk. digests: in a job, those that its run found; None in the main process.

    folder: the folder of datasets in the results. Raises UserError if a class has no source.
    """
    sections = {name: experiment.datasets[name].model_dump(mode="json") for name in experiment.packed_datasets}
    networks = [experiment.networks[name] for name in (*experiment.trained_networks, *experiment.given_networks)]
    weights = [file for each in networks for file in (each.initial_weights, *each.omega.values()) if file]
    classes = {} if digests else digests_of_classes(experiment)
    return Sources(
        sections=sections,
        ordered=experiment.ordered_datasets,
        trained=experiment.datasets_with_training_pairs,
        patch=experiment.training.patch,
        on_leakage=experiment.on_leakage,
        weights=weights,
        classes=classes,
        folder=folder,
        code_digest=code_digest,
        digests=digests,
    )


def last_seen(experiment: Experiment, folder: Path) -> Sources:
    """The sources for a reader that does not inspect the data: datasets as the last run in the working directory found
    them, weights and classes as they are on disk.

    A dataset that this run did not use is as it was packed. The digests of one whose config section is another one now
    are empty: nothing was made from it yet.
    """
    config, digests = last_run() or ({}, {})
    sections, before = experiment.model_dump(mode="json")["datasets"], config.get("datasets", {})

    def pairs(name: str, use: str) -> str:
        if name not in digests.get(use, {}):
            return packed_digest(tables([name], use)[0])
        same = all(before.get(each) == sections[each] for each in (name, experiment.source_of(name)) if each)
        return digests[use][name] if same else ""

    sources = sources_of(experiment, folder)
    names = experiment.packed_datasets
    sources.digests = {
        **{use: {name: pairs(name, use) for name in names} for use in USES},
        **sources.of_files(),
    }
    return sources


def packed_digest(table: str) -> str:
    """The digest of the pairs in the table of a store; empty if it cannot be read."""
    try:
        return pairs_digest(read_store(Path(table), None))
    except UserError:
        return ""
