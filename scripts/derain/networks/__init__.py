"""Backbones by name: one module each, imported only when asked for, so that adding one changes no other."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from derain import weights
from derain.devices import device_of


def build(backbone: str, **options: Any) -> nn.Module:
    """A freshly initialised network f(O; θ): rainy (B, 3, H, W) in [0, 1] → restored, same shape, unclamped.

    `backbone` is the name of a module of this package; `options` go to its `Network`.
    """
    module = import_module(f"{__name__}.{backbone}")
    network: nn.Module = module.Network(**options)
    return network


def network_on(device: str, section: Mapping[str, Any], threads: int, theta: str | Path | None = None) -> nn.Module:
    """The network of a section of the config, with θ from a file or as freshly initialised (by torch's seed).

    device: "cpu", "cuda", or "auto" (see derain.devices); threads: of torch in this process, which decide the last
    bits of what the CPU computes, and so never follow the machine.
    """
    torch.set_num_threads(threads)
    network = build(**section)
    if theta is not None:
        weights.load_into(network, theta)
    return network.to(device_of(device))
