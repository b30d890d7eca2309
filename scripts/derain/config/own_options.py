"""Options of a given network from the metadata of its θ, if this workflow has made it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from derain.config.networks import Network
from derain.errors import UserError
from derain.files.metadata import metadata


def with_own_options(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config, with what it leaves out of networks with `evaluate_only` or `learned`: the backbone and its options,
    from the metadata of θ. raw: as read from YAML, not validated.
    """
    networks = raw.get("networks")
    if not isinstance(networks, Mapping):
        return raw
    return {**raw, "networks": {name: _filled(section) for name, section in networks.items()}}


def _filled(section: Any) -> Any:
    if not isinstance(section, Mapping) or not (section.get("evaluate_only") is True or section.get("learned")):
        return section
    file = section.get("initial_weights")
    own = options_of(Path(file)) if isinstance(file, str) else {}
    if "backbone" in section and section["backbone"] != own.get("backbone"):
        return section  # its options would not be those of this backbone
    return {**own, **section}


def option_faults(where: str, network: Network) -> Iterator[str]:
    """A line for each option that differs from the one that a given θ was trained with."""
    file = network.initial_weights
    if file is None or not (network.evaluate_only or network.learned):
        return
    own, given = options_of(file), network.architecture()
    for key in own.keys() & given.keys():
        if own[key] != given[key]:
            yield f"{where}.{key}: is {given[key]!r}, and {str(file)!r} was trained with {own[key]!r}"


def options_of(file: Path) -> dict[str, Any]:
    """The backbone and options in the metadata of θ; empty if the file has none or cannot be read."""
    if file.suffix != ".safetensors":
        return {}
    try:
        network = metadata(file.expanduser()).get("network")
    except (UserError, RuntimeError):
        return {}  # reported when the weights are loaded
    # A class of the user's own is named by its place, which metadata do not have.
    return network if isinstance(network, dict) and network.get("backbone") != "own" else {}
