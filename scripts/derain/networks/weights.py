"""θ of a network: from a file that the workflow wrote, or from weights as authors publish them (`.pth`)."""

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from derain.errors import UserError
from derain.files import tensors


def of_network(network: nn.Module) -> tensors.Arrays:
    """θ of a network by parameter name."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}


def load_into(network: nn.Module, path: str | Path) -> None:
    """Load θ strictly: every weight of the network, and no other, each of its shape.

    path: safetensors, or a PyTorch state dict as authors publish them (`.pth`, read without unpickling code).
    Raises UserError, naming the file.
    """
    if Path(path).suffix == ".safetensors":
        state = {name: torch.from_numpy(array) for name, array in tensors.read(path)[0].items()}
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


def _published(path: str | Path) -> dict[str, Tensor]:
    """The state dict of a `.pth` file. torch's own advice on a refused file, to run its code, is not passed on."""
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
