"""Whole images restored by a network."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from derain.data.patches import as_tensor
from derain.evaluation.rounding import ROUNDINGS


def clamped_output(network: nn.Module, rainy: NDArray[np.uint8]) -> NDArray[np.float32]:
    """f(O; θ) of one image: (H, W, 3) uint8 → the same shape, clamped to [0, 1], not rounded."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        batch = as_tensor(rainy).permute(2, 0, 1)[None].to(device)
        output: NDArray[np.float32] = network(batch)[0].permute(1, 2, 0).clamp(0, 1).cpu().numpy()
    return output


def restore(network: nn.Module, rainy: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """f(O; θ) of one image: (H, W, 3) uint8 → the same, clamped and rounded to 8 bits."""
    return ROUNDINGS["nearest"](clamped_output(network, rainy))
