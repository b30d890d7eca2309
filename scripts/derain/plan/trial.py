"""Tries a network class of the user's own: whether training, Ω, checkpoints and evaluation can work with its networks.

`python -m derain.plan.trial ASKED` prints the faults as a JSON list of lines. ASKED: the arguments of `faults` as JSON.
The rules and their reasons are in docs/reference/backbones.md.
"""

import copy
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import UninitializedParameter

from derain.config.messages import cut, nearest_known
from derain.errors import UserError
from derain.files import tensors
from derain.files.source import Source, read_source
from derain.networks import weights
from derain.networks.own import built, fault_of, network_class

SEED = 1
ODD = (17, 19)  # height and width of images, pixels
# Kernels may differ between modes and batch sizes. Dropout and normalisation over a batch change far more.
CLOSE = 1e-4  # of the largest absolute value of an output
STEP = 0.01  # of a weight; a training moves it further
NUMPY = {
    *(torch.float32, torch.float64, torch.float16, torch.bool),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
}  # types of buffers: NumPy writes θ


def faults(
    place: str, options: Mapping[str, Any], weights: str | None, patch: int, bfloat16: bool, float64: bool
) -> list[str]:
    """The faults of a class: those of the first step that finds any. Each is ": fault" or ".key: fault".

    place: FILE.py:CLASS or MODULE:CLASS; options: arguments of the class; weights: file of initial weights; patch: side
    of training patches, pixels; bfloat16: whether it is trained in bfloat16; float64: whether it is used in float64.
    """
    try:
        source = read_source(place)
        network = network_class(source)
        if found := [f".options{fault}" for fault in _of_options(network, options)]:
            return found
        trial = Trial(source, lambda: built(source, network, options))
        steps: list[Callable[[], Iterator[str]]] = [
            trial.of_tensors,
            trial.of_start,
            lambda: trial.of_outputs((1, 3, *ODD)),
            lambda: trial.of_outputs((2, 3, *ODD)),
            lambda: trial.of_outputs((2, 3, patch, patch)),
            lambda: trial.of_gradients(patch),
            trial.of_file,
            *([lambda: trial.of_type(torch.bfloat16)] if bfloat16 else []),
            *([lambda: trial.of_type(torch.float64)] if float64 else []),
            trial.of_neighbour,
        ]
        for step in steps:
            if found := [f": {fault}" for fault in trial.faults_of(step)]:
                return found
    except UserError as error:
        return [f": {error}"]
    return trial.of_weights(weights) if weights else []


def _of_options(network: type[nn.Module], options: Mapping[str, Any]) -> Iterator[str]:
    """Options that the class does not take, and required ones that are missing."""
    try:
        arguments = inspect.signature(network).parameters.values()
    except (TypeError, ValueError):  # of a C function
        return
    named = {each.name: each for each in arguments if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)}
    if all(each.kind is not each.VAR_KEYWORD for each in arguments):
        for name in options.keys() - named.keys():
            yield f".{cut(name)}: {network.__name__} has no such argument{nearest_known(name, named)}"
    for name, each in named.items():
        if each.default is each.empty and name not in options:
            yield f".{name}: is missing; {network.__name__} requires it"


class Trial:
    """Checks of the networks of a class, each an iterator of faults. make: builds a network from torch's seed."""

    def __init__(self, source: Source, make: Callable[[], nn.Module]) -> None:
        self.source, self.make = source, make
        self.network = self._made(SEED)

    def faults_of(self, check: Callable[[], Iterator[str]]) -> list[str]:
        """The faults of a check; an exception is one."""
        found: list[str] = []
        try:
            found.extend(check())
        except UserError as error:
            found.append(str(error))
        except (Exception, SystemExit) as error:
            found.append(fault_of(error, self.source))
        return found

    def _made(self, seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return self.make()

    # --- θ --------------------------------------------------------------------------------------------------------

    def of_tensors(self) -> Iterator[str]:
        """Parameters and buffers that cannot be trained or written."""
        network = self.network
        parameters = dict(network.named_parameters(remove_duplicate=False))
        if not parameters:
            yield "has no parameters to train"
        first: dict[int, str] = {}
        for name, parameter in parameters.items():
            other = first.setdefault(id(parameter), name)
            if other != name:
                yield f"{name} and {other} are one parameter under two names; give it one, and use it twice in forward"
            elif fault := _parameter_fault(parameter):
                yield f"the parameter {name} {fault}"
        names = {name for name, _ in network.named_buffers(remove_duplicate=False)} | parameters.keys()
        for name, value in network.state_dict().items():
            if name not in names or not isinstance(value, Tensor):
                yield f"its state_dict has {name}, which is neither a parameter nor a buffer"
            elif name not in parameters and value.dtype not in NUMPY:
                yield f"the buffer {name} is {_name(value.dtype)}, which files of θ cannot hold"
            elif name not in parameters and not bool(value.isfinite().all()):
                yield f"the buffer {name} has values that are not finite; register it with persistent=False"
        for at, module in network.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Tensor):
                    yield f"{_dotted(at, name)} is a tensor, but no buffer or parameter; use register_buffer"
        network.train()
        for at, module in network.named_modules():
            if isinstance(module, _BatchNorm) and (module.training or module.running_mean is None):
                yield (
                    f"{at or 'it'} is {type(module).__name__}, which mixes the images of a batch in training; freeze "
                    "it (its eval() in train() of the network), or use another normalisation"
                )

    def of_start(self) -> Iterator[str]:
        """Another θ from the same seed."""
        again = self._made(SEED).state_dict()
        for name, value in self.network.state_dict().items():
            if name not in again or not torch.equal(value, again[name]):
                yield f"{name} differs between two networks of one seed; draw it with torch's random numbers"
        if torch.initial_seed() != SEED:
            yield "its constructor sets torch's seed, so all seeds of the config would give one θ"

    # --- outputs --------------------------------------------------------------------------------------------------

    def of_outputs(self, shape: tuple[int, ...]) -> Iterator[str]:
        """Outputs of another shape or type, random ones, and images that influence each other."""
        network, images = self.network, _images(shape)
        before = _copied(network)
        network.eval()
        with torch.inference_mode():  # as in a validation between two steps of a training
            first, again = self._output(images), self._output(images)
        if not torch.equal(first, again):
            yield "two calls with the same images differ in eval mode"
            return
        network.train()
        with torch.no_grad():
            trained, again, alone = self._output(images), self._output(images), self._output(images[:1])
        if not torch.equal(trained, again):
            dropped = [
                f" ({name})" for name, each in network.named_modules() if isinstance(each, _DropoutNd) and each.p
            ]
            yield f"two calls with the same images differ in training mode; dropout is not supported{''.join(dropped)}"
            return
        if not _close(first, trained):
            yield "outputs differ between training and eval mode"
        for name, value in network.state_dict().items():
            if not torch.equal(value, before[name]):
                yield f"forward changes {name} in training mode"
        if not _close(alone, trained[:1]):
            yield "the output for an image depends on the other images of its batch"

    def of_neighbour(self) -> Iterator[str]:
        """The same at a θ nearby: factors that are 0 at the start hide what they multiply."""
        with torch.no_grad():
            for parameter in self.network.parameters():
                parameter.add_(STEP * torch.randn_like(parameter))
        yield from self.of_outputs((2, 3, *ODD))

    def _output(self, images: Tensor) -> Tensor:
        """f(images). Raises UserError if it is no finite tensor like the images, or if the images were changed."""
        given = images.clone()
        output = self.network(given)
        if not torch.equal(given, images):
            raise UserError("forward changes its input in place")
        if not isinstance(output, Tensor):
            raise UserError(f"forward returns {type(output).__name__}, not a tensor")
        if output.shape != images.shape:
            sizes = [weights.size_of(each) for each in (images, output)]
            raise UserError(f"the output for {sizes[0]} is {sizes[1]}; it must have the shape of the input")
        if output.dtype != images.dtype:
            raise UserError(f"the output for {_name(images.dtype)} is {_name(output.dtype)}")
        if not bool(output.isfinite().all()):
            raise UserError(f"the output for {weights.size_of(images)} is not finite")
        return output

    def of_gradients(self, patch: int) -> Iterator[str]:
        """Parameters that have no gradient, or one that is not finite."""
        self.network.train()
        output = self._output(_images((1, 3, patch, patch)))
        if not output.requires_grad:
            yield "its output has no gradient"
            return
        names, parameters = zip(*self.network.named_parameters(), strict=True)
        found = torch.autograd.grad(output.square().mean(), parameters, allow_unused=True)
        for name, gradient in zip(names, found, strict=True):
            if gradient is None:
                yield f"the parameter {name} has no gradient: the output does not depend on it"
            elif not bool(gradient.isfinite().all()):
                yield f"the gradient of {name} is not finite"

    def of_type(self, dtype: torch.dtype) -> Iterator[str]:
        """Calls in bfloat16 (autocast), or in float64 (the whole network), that fail or give another type."""
        images = _images((1, 3, *ODD))
        if dtype == torch.bfloat16:
            with torch.autocast("cpu", dtype):
                output = self.network(images)
            if output.dtype != torch.float32:
                yield f"in training.precision bfloat16, its output is {_name(output.dtype)}; end forward with .float()"
        else:
            output = copy.deepcopy(self.network).double()(images.double())
            if output.dtype != dtype:
                yield f"as a float64 network, its output is {_name(output.dtype)} (evaluation.theory_patches needs it)"

    # --- files ----------------------------------------------------------------------------------------------------

    def of_file(self) -> Iterator[str]:
        """Another output after θ was written and loaded into another network."""
        other, images = self._made(SEED + 1), _images((1, 3, *ODD))
        with TemporaryDirectory() as folder:
            path = Path(folder) / "theta.safetensors"
            tensors.write(path, weights.of_network(self.network), {})
            weights.load_into(other, path)
        with torch.no_grad():
            if not _close(self.network.eval()(images), other.eval()(images)):
                yield "its θ does not decide its output: a network with the same parameters and buffers differs"

    def of_weights(self, file: str) -> list[str]:
        """Initial weights that do not fit."""
        return [f".initial_weights: {fault}" for fault in self.faults_of(lambda: self._loaded(file))]

    def _loaded(self, file: str) -> Iterator[str]:
        weights.load_into(self.network, file)
        yield from ()


def _parameter_fault(parameter: nn.Parameter) -> str:
    """Why a parameter cannot be trained; "" if it can."""
    if isinstance(parameter, UninitializedParameter):
        return "is lazy: it has no shape before the first call"
    if parameter.dtype != torch.float32:
        return f"is {_name(parameter.dtype)}, not float32"
    if parameter.device.type != "cpu":
        return f"is on {parameter.device}; the workflow moves networks to a device"
    if not parameter.requires_grad:
        return "is not trained (requires_grad is False); register it as a buffer"
    return "" if bool(parameter.isfinite().all()) else "has values that are not finite"


def _images(shape: tuple[int, ...]) -> Tensor:
    """Random images in [0, 1], the same for the same shape."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(SEED))


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _close(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() <= CLOSE * b.abs().max())


def _dotted(*names: str) -> str:
    return ".".join(filter(None, names))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def main() -> None:
    """Print the faults of the class that the argument describes, and nothing that the class prints."""
    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    torch.set_num_threads(1)  # equal calls then give equal bits
    found = faults(**json.loads(sys.argv[1]))
    with os.fdopen(answer, "w", encoding="utf-8") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()
    os._exit(0)  # what the class left running does not matter
