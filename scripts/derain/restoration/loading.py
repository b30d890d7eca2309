"""Loads a network that this workflow has trained, or published weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from derain.curriculum import THETA
from derain.errors import UserError, shown
from derain.files.digest import file_digest
from derain.files.metadata import CONTENT_KEY, metadata
from derain.networks import build, weights


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
    weights.load_into(built, file)
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
    """The file of θ: the path itself, or the θ in a stage's folder."""
    return Path(path) / THETA if Path(path).is_dir() else Path(path)


def architecture_of(file: Path, backbone: str | None, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """The backbone and its options, from the metadata of θ or as given."""
    own = metadata(file).get("network") if file.suffix == ".safetensors" else None
    if backbone is None and not isinstance(own, dict):
        raise UserError(f"{shown(str(file))}: does not say which network it is; name the backbone")
    if backbone is None or (isinstance(own, dict) and own.get("backbone") == backbone):
        return {**(own or {}), **(options or {})}
    return {"backbone": backbone, **(options or {})}
