"""Backbones by name: one module each, imported only when asked for, so that adding one changes no other."""

from importlib import import_module
from typing import Any

from torch import nn


def build(backbone: str, **options: Any) -> nn.Module:
    """A freshly initialised network f(O; θ): rainy (B, 3, H, W) in [0, 1] → restored, same shape, unclamped.

    `backbone` is the name of a module of this package; `options` go to its `Network`.
    """
    module = import_module(f"{__name__}.{backbone}")
    network: nn.Module = module.Network(**options)
    return network
