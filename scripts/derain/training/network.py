"""The network of a job, on the device of its process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from derain.networks import build, weights
from derain.training.devices import devices_of
from derain.training.processes import count, rank


def network_on(device: str, section: Mapping[str, Any], threads: int, theta: str | Path | None = None) -> nn.Module:
    """Build the network of a section of the config, with θ from a file or initialised from torch's seed.

    device: "cpu", "cuda", or "auto" (see derain.training.devices); threads: of torch in this process. They decide the
    last bits of CPU results, so they must not depend on the machine.
    """
    torch.set_num_threads(threads)
    network = build(**section)
    if theta is not None:
        weights.load_into(network, theta)
    return network.to(devices_of(device, count())[rank()])
