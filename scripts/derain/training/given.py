"""Ω that somebody else has estimated, for weights that were trained elsewhere."""

import numpy as np
from torch import nn

from derain.errors import UserError, shown
from derain.files import tensors
from derain.networks.weights import first_names


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
