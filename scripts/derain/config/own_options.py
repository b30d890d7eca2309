"""Options of a given network from the metadata of its θ, if this workflow has made it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from derain.config.networks import OWN, Network
from derain.errors import UserError
from derain.files.metadata import A_THETA, metadata, other_than


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
    said = _network_of(recorded_in(Path(file))) if isinstance(file, str) else {}
    if said.get("backbone") == OWN:
        return _with_arguments(section, said)
    if "backbone" in section and section["backbone"] != said.get("backbone"):
        return section  # its options would not be those of this backbone
    return {**said, **section}


def _with_arguments(section: Mapping[str, Any], said: Mapping[str, Any]) -> Mapping[str, Any]:
    """The section of a class of the user's own, with the options that it leaves out. The place of the class is always
    the user's: a file from a stranger must not say which code runs.
    """
    place, given, options = section.get("backbone"), section.get("options", {}), said["options"]
    is_its_class = isinstance(place, str) and ":" in place and place.rpartition(":")[2] == said["class_name"]
    if not is_its_class or not isinstance(given, Mapping):
        return section
    left_out = {name: value for name, value in options.items() if name not in given}
    return {**section, "options": {**given, **left_out}}


def weights_faults(where: str, network: Network) -> Iterator[str]:
    """A line if `initial_weights` are another file of this workflow than a θ; else, of a given θ, a line for each
    option that differs from the one that it was trained with.
    """
    file = network.initial_weights
    if file is None:
        return
    recorded, shown = recorded_in(file), repr(str(file))
    if other := other_than(A_THETA, recorded):
        yield f"{where}.initial_weights: {shown} {other}"
    elif network.evaluate_only or network.learned:
        said, given = _network_of(recorded), network.architecture()
        for key, trained, value in differences(said, given):
            if key in ("backbone", "class_name"):
                named, of_theta = network.source or given["backbone"], said.get("class_name", said["backbone"])
                yield f"{where}.backbone: is {named!r}, and {shown} was trained with {of_theta!r}"
                return  # its options are those of another network
            yield f"{where}.{key}: is {value!r}, and {shown} was trained with {trained!r}"
        if said.get("backbone") == OWN:
            for name, value in given["options"].items():
                if name not in said["options"]:
                    yield f"{where}.options.{name}: is {value!r}, and {shown} was trained without it"


def differences(said: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(key, value in `said`, value in `given`) of what differs between two networks and is in both. said: in metadata;
    given: `Network.architecture`, whose first keys name the network; options of a class are `options.NAME`.
    """
    for key, value in given.items():
        if key == "options" and isinstance(said.get(key), dict):
            yield from ((f"{key}.{name}", old, new) for name, old, new in differences(said[key], value))
        elif key in said and said[key] != value:
            yield key, said[key], value


def recorded_in(file: Path) -> dict[str, Any]:
    """The metadata of a given file; empty if it has none or cannot be read."""
    if file.suffix != ".safetensors":
        return {}
    try:
        return metadata(file.expanduser())
    except (UserError, RuntimeError):
        return {}  # reported when its arrays are loaded


def _network_of(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The backbone and options in the metadata of a θ; empty if they have none."""
    network = recorded.get("network")
    if not isinstance(network, dict) or "backbone" not in network:
        return {}
    if network["backbone"] == OWN and not (
        isinstance(network.get("class_name"), str) and isinstance(network.get("options"), dict)
    ):
        return {}
    return network
