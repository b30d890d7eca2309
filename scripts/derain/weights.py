"""Weight files: safetensors that are the same bytes for the same content, and the published `.pth` files."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from derain.atomic import write_whole
from derain.errors import UserError

if TYPE_CHECKING:  # jobs that only merge tables of weights do without torch
    from torch import Tensor, nn

Arrays = dict[str, NDArray[Any]]

# One key: safetensors writes several in no fixed order, and equal weights must be equal files.
METADATA_KEY = "derain"


def write(path: str | Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> None:
    """Write arrays and what decided them (JSON values), whole or not at all."""
    ordered = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    write_whole(path, save(ordered, {METADATA_KEY: json.dumps(metadata, sort_keys=True)}))


def read(path: str | Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays of a file that `write` made, and what decided them. Raises UserError, naming the file."""
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            return arrays, json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
    except Exception as error:  # safetensors' own error is a bare Exception
        raise UserError(f"{path}: cannot be read as safetensors ({' '.join(str(error).split())})") from error


def of_network(network: "nn.Module") -> Arrays:
    """θ of a network by parameter name."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}


def load_into(network: "nn.Module", path: str | Path) -> None:
    """Load θ strictly: every weight of the network, and no other, each of its shape.

    path: safetensors, or a PyTorch state dict as authors publish them (`.pth`, read without unpickling code).
    Raises UserError, naming the file.
    """
    import torch

    if Path(path).suffix == ".safetensors":
        state = {name: torch.from_numpy(array) for name, array in read(path)[0].items()}
    else:
        state = _published(path)
    expected = network.state_dict()
    faults = [f"{name} is missing" for name in expected.keys() - state.keys()]
    faults += [f"{name} is unknown" for name in state.keys() - expected.keys()]
    faults += [
        f"{name} is {_size(state[name])}, not {_size(expected[name])}"
        for name in expected.keys() & state.keys()
        if state[name].shape != expected[name].shape
    ]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise UserError(f"{path}: does not fit the network ({', '.join(sorted(faults)[:3])}{more})")
    network.load_state_dict(state, strict=True)


def _published(path: str | Path) -> "dict[str, Tensor]":
    """The state dict of a `.pth` file. torch's own advice on a refused file, to run its code, is not passed on."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(f"{path}: holds more than plain tensors (or is damaged), and no code in it is run") from error
    except Exception as error:  # zip and OS errors alike
        raise UserError(f"{path}: cannot be read as a state dict ({' '.join(str(error).split())})") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError(f"{path}: is no state dict, a table of tensors by name")
    return state


def _size(tensor: "Tensor") -> str:
    return "×".join(map(str, tensor.shape)) or "a number"
