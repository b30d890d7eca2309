"""Writes a network for other programs: as safetensors and as ONNX. Each file is checked against the network before it
appears.
"""

import hashlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from derain.errors import UserError, reason_of
from derain.evaluation.tiles import SHORT
from derain.files import tensors
from derain.files.atomic import write_whole
from derain.networks import weights
from derain.restoration.card import CARD
from derain.restoration.loading import load
from derain.restoration.records import append, check_replaceable, lines_of, stands

SAFETENSORS, ONNX = "model.safetensors", "model.onnx"
RECORD = "exported.jsonl"  # in the folder: name and sha256 of each file that an export has written
SIZES = ((1, 48, 64), (1, 33, 57), (2, 17, 130), (1, 1, 1), (1, 101, 40))  # (B, H, W) of the images of the checks
EXAMPLE = (2, 3, 41, 59)  # (B, C, H, W); with other sides than those of SIZES, no multiples of a power of two
TOLERANCE = 1e-4  # of outputs of ONNX Runtime, whose values are about in [0, 1]
OPSET = 18  # of ONNX
PACKAGES = "requirements-export.txt"


def check_files(folder: Path, theta: Path, overwrite: bool) -> None:
    """Raise UserError if an export into a folder, which need not exist, would replace what no earlier export has
    written, or θ itself. overwrite: whether that is wanted; what is no regular file is never replaced.
    """
    written = set(lines_of(folder / RECORD, 2))
    for name in (SAFETENSORS, ONNX, CARD):
        ours = stands(folder / name, *(digest for each, digest in written if each == name))
        check_replaceable(folder / name, ours, theta, "export", overwrite)


def write(folder: Path, name: str, content: bytes) -> str:
    """Write a file of an export and, before it, its line of RECORD; return its sha256."""
    digest = hashlib.sha256(content).hexdigest()
    append(folder / RECORD, (name, digest))
    write_whole(folder / name, content)
    return digest


def export(
    network: nn.Module, folder: Path, metadata: Mapping[str, Any], backbone: str | None = None
) -> dict[str, str]:
    """Write SAFETENSORS and ONNX into a folder that exists; return the sha256 of each by its name.

    network: on the CPU, in evaluation mode; metadata: of SAFETENSORS, with the backbone and its options under
    `network`, so that `load` needs nothing else; backbone: the place of a class of the user's own, which `load` needs
    too. Raises UserError if a package is missing, the network cannot be exported, or a written file gives other
    outputs; then nothing appears.
    """
    with TemporaryDirectory(dir=folder, prefix=".export-") as private:
        _write_safetensors(network, Path(private, SAFETENSORS), metadata, backbone)
        _write_onnx(network, Path(private, ONNX))
        return {name: write(folder, name, Path(private, name).read_bytes()) for name in (SAFETENSORS, ONNX)}


def _write_safetensors(network: nn.Module, file: Path, metadata: Mapping[str, Any], backbone: str | None) -> None:
    tensors.write(file, weights.of_network(network), {**metadata, **weights.buffer_metadata(network)})
    again = load(file, backbone)
    for rainy, expected in _expected(network):
        with torch.inference_mode():
            if not torch.equal(again(rainy), expected):
                raise UserError(f"{file.name}: loaded again, the network has other outputs; nothing was exported")


def _write_onnx(network: nn.Module, file: Path) -> None:
    """Input `rainy`, output `restored`: (B, 3, H, W) float32 of any size, in [0, 1], the output not clamped."""
    try:
        import onnx  # noqa: F401 (torch.onnx.export imports it)
        import onnxruntime
        import onnxscript  # noqa: F401 (torch.onnx.export imports it)
    except ImportError as error:
        raise UserError(f"ONNX needs more packages ({error.name}); in the clone: pip install -r {PACKAGES}") from error
    sizes = {0: "batch", 2: "height", 3: "width"}
    with _quiet():
        try:
            program = torch.onnx.export(
                network,
                (torch.rand(EXAMPLE, generator=torch.Generator().manual_seed(0)),),
                input_names=["rainy"],
                output_names=["restored"],
                dynamic_shapes=(sizes,),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
            assert program is not None
            program.save(file, external_data=False)
        except Exception as error:  # whatever the network does that ONNX has not
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise UserError(f"the network cannot be exported to ONNX ({reason.strip()})") from error
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for rainy, expected in _expected(network):
        try:
            (found,) = session.run(None, {"rainy": rainy.numpy()})
            difference = float(np.abs(found - expected.numpy()).max()) if found.shape == expected.shape else np.inf
        except Exception as error:  # ONNX Runtime's errors have no common class
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{file.name}: ONNX Runtime fails on {tuple(rainy.shape)} ({reason})") from error
        if not difference <= TOLERANCE:
            raise UserError(
                f"{file.name}: on {tuple(rainy.shape)} the output of ONNX Runtime differs by {difference:.1e} from "
                f"the network's, more than {TOLERANCE:g}; nothing was exported"
            )


def _expected(network: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    """The images of the checks, and the outputs of the network. A class of the user's own may refuse the smallest
    image, which no trial of it has. Raises UserError if it fails on another one.
    """
    generator = torch.Generator().manual_seed(1)
    for batch, height, width in SIZES:
        rainy = torch.rand(batch, 3, height, width, generator=generator)
        try:
            with torch.inference_mode():
                output = network(rainy)
        except Exception as error:  # whatever the class does
            if min(height, width) < min(SHORT):
                continue
            raise UserError(f"the network fails on {tuple(rainy.shape)} ({reason_of(error)})") from error
        yield rainy, output


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes about its own versions and about packages that it does without."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
