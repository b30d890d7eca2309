"""Whole images restored by a network."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from derain.data.patches import as_tensor


def restore(network: nn.Module, rainy: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """f(O; θ) of one image: (H, W, 3) uint8 → the same, clamped and rounded to 8 bits."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        batch = as_tensor(rainy).permute(2, 0, 1)[None].to(device)
        output = network(batch)[0].permute(1, 2, 0).clamp(0, 1)
        restored: NDArray[np.uint8] = (output * 255).round().to(torch.uint8).cpu().numpy()
    return restored
