"""Backbones, one module each, imported by name on demand. Adding one reruns no job of the others."""

from importlib import import_module
from typing import Any

from torch import nn

from derain.networks.formats import multiply_exactly


def build(backbone: str, **options: Any) -> nn.Module:
    """A freshly initialised network f(O; θ): rainy (B, 3, H, W) in [0, 1] → restored, same shape, not clamped.

    backbone: name of a module of this package; options: arguments of its `Network`. From then on, CUDA devices multiply
    float32 as float32.
    """
    multiply_exactly()
    module = import_module(f"{__name__}.{backbone}")
    network: nn.Module = module.Network(**options)
    return network
