"""Restores an image as a whole with a network."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from derain.data.patches import as_tensor
from derain.errors import UserError


def clamped_output(
    network: nn.Module, rainy: NDArray[np.uint8], theta: str | Path = "the network"
) -> NDArray[np.float32]:
    """f(O; θ) of one image: (H, W, 3) uint8 → the same shape, clamped to [0, 1], not rounded.

    Raises UserError with the name `theta` if the output is not finite: clamped and rounded it would look like an image.
    """
    device = next(network.parameters()).device
    with torch.inference_mode():
        batch = as_tensor(rainy).permute(2, 0, 1)[None].to(device)
        restored = network(batch)[0].permute(1, 2, 0)
        if not bool(restored.isfinite().all()):
            size = "×".join(map(str, rainy.shape[1::-1]))  # width × height
            raise UserError(f"{theta}: its output for an image of {size} pixels is not finite; it cannot be scored")
        output: NDArray[np.float32] = restored.clamp(0, 1).cpu().numpy()
    return output
