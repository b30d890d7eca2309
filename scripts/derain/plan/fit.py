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
# What no tensor of a backbone shows, so that it may have to be given, too.
UNSHOWN = {"prenet": "; the weights do not show stages, default 6"}


def faults(network: Mapping[str, Any], file: str) -> list[str]:
    """The fault of a file of weights, as ".initial_weights: fault"; none if it fits. network: backbone and options."""
    try:
        weights.load_into(build(**network), file)
    except UserError as error:
        return [f".initial_weights: {with_fitting(str(error), network, file)}"]
    return []


def with_fitting(fault: str, network: Mapping[str, Any], file: str) -> str:
    """A fault of `weights.load_into` with the networks that the weights fit, if they do not fit the given one."""
    fitting = "does not fit" in fault and fitting_networks(file, network)
    return f"{fault}; it fits {fitting}" if fitting else fault


def fitting_networks(file: str, network: Mapping[str, Any] | None = None) -> str:
    """The networks of a backbone that the weights fit, as in the config; "" if none is found. Every guess is tried.

    network: a backbone, which is tried first, with options that no tensor shows.
    """
    network = network or {}
    try:
        shapes = {name: tuple(tensor.shape) for name, tensor in weights.read(file).items()}
    except UserError:
        return ""
    for backbone in sorted(KINDS, key=lambda kind: kind != network.get("backbone")):
        given = network if backbone == network.get("backbone") else {}
        found = []
        for guess in _guesses(backbone, shapes):
            try:
                weights.load_into(build(**{**given, "backbone": backbone, **guess}), file)
            except (UserError, ValueError, RuntimeError, KeyError):
                continue
            options = {"backbone": backbone, **guess}
            found.append(", ".join(f"{key}: {json.dumps(value)}" for key, value in options.items()))
        if found:
            unsaid = " (the shapes do not say which)" if len(found) > 1 else ""
            return "; or ".join(found) + unsaid + UNSHOWN.get(backbone, "")
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
            apart = {**options, "blocks": blocks, "shared_block": False}
            shared = {**options, "shared_block": True}
            # One block fits both; published are networks that use it several times (PReNet_r, PRN_r).
            yield from (shared, apart) if blocks == 1 else (apart, shared)
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
