"""Checks files that a config gives for its networks by what their metadata say of their making. A file without such
metadata passes. Whether the arrays of a file fit is checked elsewhere (derain.plan.fit, derain.training.given).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from derain.config.experiment import Experiment
from derain.config.methods import Importance
from derain.config.networks import Network
from derain.config.own_options import differences, recorded_in
from derain.curriculum import THETA
from derain.data.sources import Sources
from derain.files.digest import file_digest
from derain.files.metadata import A_THETA, AN_OMEGA, kind_of, other_than
from derain.plan.recipes import copied_from, of_another_source

# The keys of `importances` that say what is estimated; the others say how exactly.
ESTIMATED = ("of", "power", "per")


def given_faults(experiment: Experiment, sources: Sources) -> Iterator[str]:
    """A line for each given file that was made in another way than the config says."""
    for name, network in experiment.networks.items():
        where, weights = f"config: networks.{name}", network.initial_weights
        if weights is None or not (network.evaluate_only or network.learned):
            continue
        theta = recorded_in(weights)
        if network.source and of_another_source(theta, sources.source(network.source)):
            yield f"{where}.backbone: its source is not the one that {str(weights)!r} was trained with"
        for kind, file in network.omega.items():
            omega = recorded_in(file)
            for fault in _omega_faults(omega, kind, experiment.importances[kind], network):
                yield f"{where}.omega.{kind}: {str(file)!r} {fault}"
            if _is_of_another_theta(file, omega, theta, sources.weights(weights)):
                yield f"{where}.omega.{kind}: {str(file)!r} was estimated at another θ than {str(weights)!r}"


def _omega_faults(recorded: Mapping[str, Any], kind: str, section: Importance, network: Network) -> Iterator[str]:
    """What the metadata of a given Ω say against it. kind, section: its name and section in `importances`."""
    if other := other_than(AN_OMEGA, recorded):
        yield other
        return
    estimated, asked = recorded.get("importance"), section.model_dump(mode="json", include={*ESTIMATED})
    if isinstance(estimated, dict):
        for key, made, value in differences(estimated, asked):
            yield f"was estimated with {key}: {made}, and importances.{kind} has {key}: {value}"
    if isinstance(said := recorded.get("network"), dict):
        for key, made, value in differences(said, network.architecture()):
            yield f"is of a network with {key}: {made!r}, not {value!r}"


def _is_of_another_theta(file: Path, omega: Mapping[str, Any], theta: Mapping[str, Any], digest: str) -> bool:
    """Whether the metadata of Ω and of the given weights say that Ω was made at other weights. file: of Ω; digest: of
    the weights' file. Of a θ that a stage has only copied, Ω may name either file.
    """
    made_at = omega.get("parents", {}).get("theta")
    if made_at is None or kind_of(theta) != A_THETA or made_at in (held := _files_with(theta, digest)):
        return False
    beside = file.expanduser().with_name(THETA)
    if beside.is_file() and file_digest(beside) == made_at:
        return held.isdisjoint(_files_with(recorded_in(beside), made_at))
    return True


def _files_with(theta: Mapping[str, Any], digest: str) -> set[str]:
    """Digests of files that hold the weights of a θ: its own, and that of the file that it was only copied from."""
    source = copied_from(theta)
    return {digest} if source is None else {digest, source}
