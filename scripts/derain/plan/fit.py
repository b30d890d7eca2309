"""Tries whether given weights fit a backbone, and which options would fit if they do not.

`python -m derain.plan.fit ASKED` prints the faults as a JSON list of lines. ASKED: the arguments of `faults` as JSON.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from derain.errors import UserError
from derain.networks import build, weights

Shapes = Mapping[str, tuple[int, ...]]
KINDS = ("prenet", "nafnet", "restormer")


def faults(network: Mapping[str, Any], file: str) -> list[str]:
    """The fault of a file of weights, as ".initial_weights: fault"; none if it fits. network: backbone and options."""
    try:
        weights.load_into(build(**network), file)
    except UserError as error:
        told = f".initial_weights: {error}"
        if "does not fit" in told and (fitting := _fitting(network, file)):
            told += f"; it fits {fitting}"
        return [told]
    return []


def _fitting(network: Mapping[str, Any], file: str) -> str:
    """A network that the weights fit, as in the config; "" if none is found. Every guess is tried."""
    try:
        shapes = {name: tuple(tensor.shape) for name, tensor in weights.read(file).items()}
    except UserError:
        return ""
    for backbone in sorted(KINDS, key=lambda kind: kind != network["backbone"]):
        given = network if backbone == network["backbone"] else {}
        for guess in _guesses(backbone, shapes):
            try:
                weights.load_into(build(**{**given, "backbone": backbone, **guess}), file)
            except (UserError, ValueError, RuntimeError, KeyError):
                continue
            return ", ".join(f"{key}: {json.dumps(value)}" for key, value in {"backbone": backbone, **guess}.items())
    return ""


def _guesses(backbone: str, shapes: Shapes) -> Iterator[dict[str, Any]]:
    """Options by the names and shapes of tensors, likely ones first. What no tensor shows (T of PReNet) is left out."""

    def count(pattern: str) -> int:
        """1 + the highest number that the pattern has in a name; 0 if no name has it."""
        numbers = [int(match[1]) for name in shapes for match in re.finditer(pattern, name)]
        return max(numbers, default=-1) + 1

    def width(name: str) -> int:
        return next((shape[0] for key, shape in shapes.items() if key.endswith(name)), 0)

    match backbone:
        case "prenet" if channels := width("conv0.0.weight"):
            lstm = any(name.endswith("conv_i.0.weight") for name in shapes)
            blocks = count(r"res_conv(\d+)\.") - 1
            options: dict[str, Any] = {"channels": channels, "lstm": lstm}
            yield {**options, "blocks": blocks, "shared_block": False}
            yield {**options, "shared_block": True}
        case "nafnet" if channels := width("intro.weight"):
            levels = count(r"encoders\.(\d+)\.")
            yield {
                "width": channels,
                "encoder": [count(rf"encoders\.{level}\.(\d+)\.") for level in range(levels)],
                "middle": count(r"middle_blks\.(\d+)\."),
                "decoder": [count(rf"decoders\.{level}\.(\d+)\.") for level in range(levels)],
            }
        case "restormer" if channels := width("patch_embed.proj.weight"):
            names = ("encoder_level1", "encoder_level2", "encoder_level3", "latent")
            hidden = width("encoder_level1.0.ffn.project_in.weight") / 2
            options = {
                "width": channels,
                "blocks": [count(rf"{name}\.(\d+)\.") for name in names],
                "refinement": count(r"refinement\.(\d+)\."),
                "heads": [width(f"{name}.0.attn.temperature") for name in names],
            }
            yield options
            yield {**options, "expansion": round(hidden / channels, 2)}


def main() -> None:
    """Print the faults."""
    json.dump(faults(**json.loads(sys.argv[1])), sys.stdout)


if __name__ == "__main__":
    main()
