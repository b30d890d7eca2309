"""The network of a job, on the device of its process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from derain.allocator import keep_freed_memory
from derain.networks import build, weights
from derain.plan.recipes import (
    OWN_SOURCE,
    BlendRecipe,
    EvaluationRecipe,
    GivenImportanceRecipe,
    GivenRecipe,
    TrainingRecipe,
)
from derain.training.devices import devices_of
from derain.training.processes import count, rank


def section_of(
    recipe: TrainingRecipe | GivenRecipe | GivenImportanceRecipe | BlendRecipe | EvaluationRecipe,
    config: Mapping[str, Any],
) -> Mapping[str, Any]:
    """The section for `network_on`. A recipe names a class of the user's own by its name and a digest of its source;
    config: the config of the experiment, as plain values, which names the places of classes.
    """
    if OWN_SOURCE not in recipe.code:
        return recipe.network
    places = [each["backbone"] for each in config["networks"].values()]
    return {**recipe.network, "places": places, "digest": recipe.code[OWN_SOURCE]}


def network_on(device: str, section: Mapping[str, Any], threads: int, theta: str | Path | None = None) -> nn.Module:
    """Build the network of a section in eval mode, with θ from a file or initialised from torch's seed.

    section: a backbone of derain.networks and its options (see `section_of`); device: "cpu", "cuda", or "auto" (see
    derain.training.devices); threads: of torch in this process. They decide the last bits of CPU results, so they must
    not depend on the machine.
    """
    torch.set_num_threads(threads)
    keep_freed_memory()
    network = build(**section)
    if theta is not None:
        weights.load_into(network, theta)
    network.eval()  # a class may freeze layers in train(), which its constructor does not call
    return network.to(devices_of(device, count())[rank()])
