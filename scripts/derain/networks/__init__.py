"""Backbones, one module each, imported by name on demand. Adding one reruns no job of the others."""

from importlib import import_module
from typing import Any

from torch import nn


def build(backbone: str, **options: Any) -> nn.Module:
    """A freshly initialised network f(O; θ): rainy (B, 3, H, W) in [0, 1] → restored, same shape, not clamped.

    backbone: name of a module of this package; options: arguments of its `Network`.
    """
    module = import_module(f"{__name__}.{backbone}")
    network: nn.Module = module.Network(**options)
    return network
