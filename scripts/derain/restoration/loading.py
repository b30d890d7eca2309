"""Loads a network that this workflow has trained, or published weights."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from derain.curriculum import THETA
from derain.errors import UserError, shown
from derain.files.digest import file_digest
from derain.files.metadata import CONTENT_KEY, metadata
from derain.networks import build, weights
from derain.plan.fit import fitting_networks, with_fitting


def load(
    path: str | Path, backbone: str | None = None, options: Mapping[str, Any] | None = None, device: str = "cpu"
) -> nn.Module:
    """f(·; θ) in evaluation mode: rainy (B, 3, H, W) in [0, 1] → the same shape, not clamped.

    path: a stage's folder, its `theta.safetensors`, whose metadata name the backbone and its options, or published
    weights (safetensors or `.pth`); backbone, options: of published weights, as in the config; device: as torch names
    it. Raises UserError in one line.
    """
    file = theta_of(path)
    network = architecture_of(file, backbone, options)
    try:
        built = build(**network)
    except (ImportError, TypeError) as error:
        raise UserError(f"{shown(str(file))}: no network can be built from {network} ({error})") from error
    try:
        weights.load_into(built, file)
    except UserError as error:
        raise UserError(with_fitting(str(error), network, str(file))) from error
    return built.to(device).eval()


def metadata_of(path: str | Path, backbone: str | None, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Metadata of θ with which `load` needs neither backbone nor options: those of its file, or for published weights
    these and the sha256 of the file.
    """
    file = theta_of(path)
    own = metadata(file) if file.suffix == ".safetensors" else {}
    own.pop(CONTENT_KEY, None)
    given = {} if "network" in own else {"initial_weights": file_digest(file)}
    return {**own, **given, "network": architecture_of(file, backbone, options)}


def theta_of(path: str | Path) -> Path:
    """The file of θ: the path itself, or the θ in a stage's folder. Raises UserError if there is none."""
    file = Path(path) / THETA if Path(path).is_dir() else Path(path)
    if not os.path.lexists(file):
        reason = f"has no {THETA}; is it a stage's folder?" if file != Path(path) else "there is no such file"
        raise UserError(f"{shown(str(path))}: {reason}")
    return file


def architecture_of(file: Path, backbone: str | None, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """The backbone and its options: those in the metadata of θ, or for published weights those that are given. Raises
    UserError where both are there and differ: other options can fit the same weights, and give other images.
    """
    own = metadata(file).get("network") if file.suffix == ".safetensors" else None
    given = {**({"backbone": backbone} if backbone else {}), **(options or {})}
    if not isinstance(own, dict) or "backbone" not in own:
        if backbone is None:
            fitting = fitting_networks(str(file))
            fits = f"; it fits {fitting}" if fitting else ""
            raise UserError(f"{shown(str(file))}: does not say which network it is; name the backbone{fits}")
        return given
    if ":" in own["backbone"] and ":" in (backbone or ""):
        own = own | {"backbone": backbone}  # the place of a class, which may have moved
    for name, value in given.items():
        if name not in own or own[name] != value:
            has = f"has {name}: {own[name]!r}" if name in own else f"has no {name}"
            raise UserError(f"{shown(str(file))}: {has}, by its metadata; leave {name} out")
    return own
