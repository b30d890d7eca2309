"""Validation during a training, on pairs that are not trained on."""

import numpy as np
from torch import nn

from derain.data.store import PackedPairs
from derain.evaluation.psnr import in_means, psnr
from derain.evaluation.tiles import TILE, restored


def validate(network: nn.Module, pairs: PackedPairs) -> float:
    """Mean PSNR in RGB over pairs that are not trained on, dB. The training mode of the network does not change."""
    scored = [(restored(network, rainy, TILE), clean) for rainy, clean in pairs if clean is not None]
    return float(np.mean([in_means(psnr(a.astype(float), b.astype(float))) for a, b in scored]))
