"""Loads a network that this workflow has trained, or published weights."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from torch import nn

from derain.config.messages import fault_lines
from derain.config.networks import OWN, Backbone, Network
from derain.config.values import Section
from derain.curriculum import FIRST, THETA
from derain.errors import UserError, is_out_of_memory, reason_of, shown
from derain.files.digest import file_digest
from derain.files.metadata import A_THETA, CONTENT_KEY, metadata, other_than
from derain.files.source import Source, read_source
from derain.networks import build, own, weights
from derain.networks.formats import multiply_exactly
from derain.plan.fit import KINDS, fitting_networks, with_fitting
from derain.plan.recipes import of_another_source


class _Asked(Section):
    """A network with the rules of the config."""

    network: Backbone


class Opened(NamedTuple):
    """A network in evaluation mode, and what it was made of.

    recipe: what decides its outputs beside its weights: backbone and options, and the sha256 of the source of a class.
    metadata: of θ, with which `load` needs neither backbone nor options, except the place of a class: those of its
    file, or for published weights the backbone, its options and the sha256 of the file.
    """

    network: nn.Module
    recipe: dict[str, Any]
    metadata: dict[str, Any]


def load(
    path: str | Path, backbone: str | None = None, options: Mapping[str, Any] | None = None, device: str = "cpu"
) -> nn.Module:
    """f(·; θ) in evaluation mode: rainy (B, 3, H, W) in [0, 1] → the same shape, not clamped.

    path: a stage's folder, its `theta.safetensors`, whose metadata name the backbone and its options, or published
    weights (safetensors or `.pth`); backbone, options: of published weights, as in the config, and for a class of your
    own its place, FILE.py:CLASS; device: as torch names it. Raises UserError.
    """
    return opened(path, backbone, options, device).network


def opened(
    path: str | Path, backbone: str | None = None, options: Mapping[str, Any] | None = None, device: str = "cpu"
) -> Opened:
    """The network of `load`, and what it was made of. The metadata of θ and the source of a class are read once, so
    that a file that is edited meanwhile does not change what is recorded of this network.
    """
    file = theta_of(path)
    recorded = metadata(file) if file.suffix == ".safetensors" else {}
    if other := other_than(A_THETA, recorded):
        raise UserError(f"{shown(str(file))}: {other}")
    section = _section_of(file, recorded, backbone, options)
    source = _source_of(section.source, file, recorded) if section.source else None
    network = _built(section, source)
    try:
        weights.load_into(network, file)
    except UserError as error:
        raise UserError(with_fitting(str(error), section.architecture(), str(file))) from error
    given = {} if "network" in recorded else {"initial_weights": file_digest(file)}
    said = {name: value for name, value in recorded.items() if name != CONTENT_KEY}
    return Opened(
        _on(network, device).eval(),
        section.architecture() | ({"source": source.digest} if source else {}),
        # What a θ says stays as it is: an export has its bytes.
        {"network": section.architecture(), **said, **given},
    )


def _on(network: nn.Module, device: str) -> nn.Module:
    """The network, moved to a device. Raises UserError if torch has no such device."""
    try:
        return network.to(device)
    except (RuntimeError, AssertionError) as error:
        if isinstance(error, RuntimeError) and is_out_of_memory(error):
            raise
        raise UserError(f"device {shown(str(device))}: torch cannot use it ({reason_of(error)})") from error


def theta_of(path: str | Path) -> Path:
    """The file of θ: the path itself, or the θ in a stage's folder. Raises UserError if there is none."""
    file = Path(path) / THETA if Path(path).is_dir() else Path(path)
    if os.path.lexists(file):
        return file
    if file == Path(path):
        raise UserError(f"{shown(str(path))}: there is no such file")
    first = file.parents[2] / FIRST / file.parent.name if len(file.parents) > 3 else file.parent
    is_shared = (first / THETA).is_file()
    hint = f"all methods share the stage {shown(str(first))}" if is_shared else "is it a stage's folder?"
    raise UserError(f"{shown(str(path))}: has no {THETA}; {hint}")


def _built(section: Network, source: Source | None) -> nn.Module:
    """The network of a section, freshly initialised. source: of a class of the user's own. Raises UserError."""
    if source is None:
        return build(**section.architecture())
    multiply_exactly()
    try:
        return own.built(source, own.network_class(source), section.architecture()["options"])
    except UserError as error:
        raise UserError(f"{shown(str(section.source))}: {error}") from error


def _source_of(place: str, file: Path, recorded: Mapping[str, Any]) -> Source:
    """The source of a class. Raises UserError if it is not the one that θ was trained with, by the digests of code in
    `recorded`, the metadata of θ.
    """
    source = read_source(place)
    if of_another_source(recorded, source.digest):
        raise UserError(f"{shown(place)}: its source is not the one that {shown(str(file))} was trained with")
    return source


def _section_of(
    file: Path, recorded: Mapping[str, Any], backbone: str | None, options: Mapping[str, Any] | None
) -> Network:
    """The config section of a network. Its backbone and options are those in `recorded`, the metadata of θ, or for
    published weights those that are given. Raises UserError where both are there and differ: other options can fit the
    same weights, and give other images.
    """
    said, given = recorded.get("network"), dict(options or {})
    if not isinstance(said, dict) or "backbone" not in said:
        if backbone is None:
            fitting = fitting_networks(str(file))
            fits = f"; it fits {fitting}" if fitting else ""
            raise UserError(f"{shown(str(file))}: does not say which network it is; name the backbone{fits}")
        return _section(file, backbone, given)
    # The file may come from a stranger. So it never says where code is that will run; the user does.
    if said["backbone"] == OWN:
        place = _place_of_class(file, str(said.get("class_name")), backbone)
        _refuse_others(file, said.get("options") or {}, given)
        return _section(file, place, said.get("options") or {})
    if said["backbone"] not in KINDS:
        raise UserError(f"{shown(str(file))}: its metadata name no backbone of this library, {', '.join(KINDS)}")
    _refuse_others(file, said, {**({"backbone": backbone} if backbone else {}), **given})
    return _section(file, said["backbone"], {name: value for name, value in said.items() if name != "backbone"})


def _place_of_class(file: Path, name: str, backbone: str | None) -> str:
    """The place that the user gives of the class of a θ. Raises UserError if it is no place of such a class."""
    if backbone is None or ":" not in backbone or backbone.rpartition(":")[2] != name:
        ask = f"name its place as the backbone, FILE.py:{shown(name)} (it is code that runs with your rights)"
        raise UserError(f"{shown(str(file))}: its network is the class {shown(name)}; {ask}")
    return backbone


def _refuse_others(file: Path, said: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise UserError if something is given that the metadata do not say."""
    for name, value in given.items():
        if name not in said or said[name] != value:
            has = f"has {name}: {said[name]!r}" if name in said else f"has no {name}"
            raise UserError(f"{shown(str(file))}: {has}, by its metadata; leave {name} out")


def _section(file: Path, backbone: str, options: Mapping[str, Any]) -> Network:
    """The section of a backbone. Raises UserError with a line for each fault of an option."""
    if ":" in backbone:
        options = {"options": dict(options)}
    elif unknown := [name for name in options if name in Network.model_fields]:
        raise UserError(f"{shown(str(file))}: {unknown[0]} is no option of a backbone")
    try:
        return _Asked.model_validate({"network": {**options, "backbone": backbone}}).network
    except ValidationError as error:
        lines = [line.removeprefix("network.") for line in fault_lines(error, _Asked)]
        raise UserError("\n".join(f"{shown(str(file))}: {line}" for line in lines)) from None
