"""Ω that somebody else has estimated, for weights that were trained elsewhere."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from derain.errors import UserError, shown
from derain.files import tensors
from derain.files.digest import check_digest
from derain.networks.weights import first_names
from derain.plan.recipes import GivenImportanceRecipe
from derain.training.network import network_on, section_of


def import_importance(
    path: str, recipe: GivenImportanceRecipe, theta: str, config: Mapping[str, Any]
) -> tensors.Arrays:
    """Ω from the file that the recipe was made for, as `given_importance` reads it.

    theta: file of the weights; config: the config of the experiment, as plain values. Raises UserError with the file
    name, also if the file has changed.
    """
    found = given_importance(path, network_on("cpu", section_of(recipe, config), 1, theta))
    check_digest(path, recipe.omega)  # after reading, to find a file that was replaced before
    return found


def given_importance(path: str, network: nn.Module) -> tensors.Arrays:
    """Ω from a safetensors file, as float64: for each parameter of the network a finite array ≥ 0 of its shape.

    Raises UserError with the file name.
    """
    file, (omega, _) = shown(path), tensors.read(path)
    expected = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    faults = [f"{name} is missing" for name in expected.keys() - omega.keys()]
    faults += [f"{shown(name[:80])} is no parameter" for name in omega.keys() - expected.keys()]
    for name in sorted(expected.keys() & omega.keys()):
        values = omega[name]
        if values.shape != expected[name]:
            faults.append(f"{name} is {values.shape}, not {expected[name]}")
        elif values.dtype.kind != "f" or not bool((np.isfinite(values) & (values >= 0)).all()):
            faults.append(f"{name} has values that are no finite numbers ≥ 0")
    if faults:
        raise UserError(f"{file}: is no Ω of the network ({first_names(faults)})")
    return {name: values.astype(np.float64) for name, values in omega.items()}
