"""The network of a job, on the device of its process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from derain.networks import build, weights
from derain.plan.recipes import OWN_SOURCE
from derain.training.devices import devices_of
from derain.training.processes import count, rank


def section_of(
    network: Mapping[str, Any], code: Mapping[str, str], networks: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any]:
    """The section for `network_on` from the `network` and the `code` of a recipe.

    The recipe names the class of a user's own by a digest of its source. networks: the section of the config, which
    names the places of classes.
    """
    if OWN_SOURCE not in code:
        return network
    return {**network, "places": [each["backbone"] for each in networks.values()], "digest": code[OWN_SOURCE]}


def network_on(device: str, section: Mapping[str, Any], threads: int, theta: str | Path | None = None) -> nn.Module:
    """Build the network of a section, with θ from a file or initialised from torch's seed.

    section: a backbone of derain.networks and its options (see `section_of`); device: "cpu", "cuda", or "auto" (see
    derain.training.devices); threads: of torch in this process. They decide the last bits of CPU results, so they must
    not depend on the machine.
    """
    torch.set_num_threads(threads)
    network = build(**section)
    if theta is not None:
        weights.load_into(network, theta)
    return network.to(devices_of(device, count())[rank()])
