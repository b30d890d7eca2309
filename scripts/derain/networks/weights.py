"""Loading of θ into a network: from a safetensors file, or from a published PyTorch state dict (`.pth`)."""

import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import Tensor, nn

from derain.errors import UserError, reason_of, shown
from derain.files import tensors
from derain.files.metadata import BUFFERS, whole
from derain.files.regular import open_regular

# float32 holds values of these types exactly or, of float64, rounds them by less than a training changes them.
TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
# Keys of training checkpoints under which a state dict is found: of MPRNet and Lightning; of BasicSR, whose moving
# average is what its authors publish; of others. The first one that a file has counts.
WRAPPERS = ("state_dict", "params_ema", "params", "model", "net")


def of_network(network: nn.Module) -> tensors.Arrays:
    """θ of a network as NumPy arrays, by names of parameters and buffers."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}


def buffer_metadata(network: nn.Module) -> dict[str, list[str]]:
    """Metadata for the file of `of_network`: the names of the buffers, if there are any."""
    names = [name for name in network.state_dict() if name not in dict(network.named_parameters())]
    return {BUFFERS: sorted(names)} if names else {}


def load_into(network: nn.Module, path: str | Path) -> None:
    """Load θ strictly: the file must hold exactly the network's parameters and buffers, with equal shapes, finite
    values and one of TYPES (a buffer that is no float: with the same type). A prefix of all names, such as
    DataParallel's `module.`, is removed.

    path: safetensors (by its suffix), else a PyTorch state dict as authors publish it (`.pth`, read without running
    pickled code), or a training checkpoint with a state dict under one of WRAPPERS. Raises UserError with the file
    name, also if a file of this workflow was changed after it was written.
    """
    file, state = shown(str(path)), read(path)
    expected = network.state_dict()
    state = _without_prefix(state, expected.keys())
    faults = [f"{name} is missing" for name in expected.keys() - state.keys()]
    faults += [f"{shown(name[:80])} is unknown" for name in state.keys() - expected.keys()]
    faults += [
        f"{name} is {size_of(state[name])}, not {size_of(expected[name])}"
        for name in expected.keys() & state.keys()
        if state[name].shape != expected[name].shape
    ]
    if faults:
        raise UserError(f"{file}: does not fit the network ({first_names(faults)})")
    if faults := [f"{name} {fault}" for name, tensor in state.items() if (fault := _fault(tensor, expected[name]))]:
        raise UserError(f"{file}: holds no weights ({first_names(faults)})")
    network.load_state_dict(state, strict=True)


def load_arrays(network: nn.Module, theta: Mapping[str, NDArray[Any]]) -> None:
    """Load θ, arrays as of `of_network`, strictly."""
    network.load_state_dict({name: torch.from_numpy(array) for name, array in theta.items()}, strict=True)


def read(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file by name, as they are. path: as in `load_into`. Raises UserError with the file name."""
    file = shown(str(path))
    return _safetensors(path, file) if Path(path).suffix == ".safetensors" else _published(path, file)


def _fault(tensor: Tensor, expected: Tensor) -> str:
    """Why a tensor cannot stand for that of a network; "" if it can."""
    if tensor.is_meta:
        return "has no values (a meta tensor)"
    if tensor.layout != torch.strided:
        return "is sparse"
    if not expected.is_floating_point():
        return "" if tensor.dtype == expected.dtype else f"is {_type(tensor)}, not {_type(expected)}"
    if tensor.dtype not in TYPES:
        return f"is {_type(tensor)}, no float of 16 to 64 bits"
    return "" if bool(tensor.float().isfinite().all()) else "is not finite in float32"


def _safetensors(path: str | Path, file: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file, read by torch, which has more types than NumPy. A file of this workflow holds
    its own digest, which must agree.
    """
    try:
        with open_regular(path) as opened:
            content = opened.read()
        state: dict[str, Tensor] = load(content)
        whole(content)
        return state
    except Exception as error:  # safetensors' own error is a bare Exception
        raise UserError(f"{file}: cannot be read as safetensors ({reason_of(error)})") from error


def _published(path: str | Path, file: str) -> dict[str, Tensor]:
    """The state dict of a `.pth` file. torch's message about a refused file is replaced: it advises to run its code."""
    try:
        with open_regular(path) as opened:  # a FIFO would wait for ever
            state = torch.load(opened, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(f"{file}: holds more than plain tensors (or is damaged), and no code in it is run") from error
    except Exception as error:  # zip and OS errors alike
        raise UserError(f"{file}: cannot be read as a state dict ({reason_of(error)})") from error
    for _ in range(2):  # a table may hold itself
        if wrapper := next((key for key in WRAPPERS if _is_table(state) and _is_table(state.get(key))), None):
            state = state[wrapper]
    if not _is_table(state) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError(
            f"{file}: is no state dict, a table of tensors by name, and has none under {', '.join(WRAPPERS)}"
        )
    return {name: value.detach() for name, value in state.items()}


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) for name in value)


def _without_prefix(state: dict[str, Tensor], expected: Collection[str]) -> dict[str, Tensor]:
    """The tensors under the expected names, if all names differ from these by one prefix of dotted parts."""
    first = next(iter(state), "")
    for name in expected:
        prefix = first.removesuffix(name)
        if prefix.endswith(".") and {f"{prefix}{each}" for each in expected} == state.keys():
            return {each.removeprefix(prefix): tensor for each, tensor in state.items()}
    return state


def first_names(faults: list[str]) -> str:
    """The first three faults by name, and how many more there are."""
    more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
    return f"{', '.join(sorted(faults)[:3])}{more}"


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def size_of(tensor: "Tensor") -> str:
    """Its shape, for a person to read."""
    return "×".join(map(str, tensor.shape)) or "a number"
