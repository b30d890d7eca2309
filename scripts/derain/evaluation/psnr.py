"""Peak signal-to-noise ratio, in a module of its own because training also uses it, for validation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# dB: upper limit of an image's PSNR in means. Equal images have an infinite PSNR, which would hide all others.
# 100 dB is a mean squared error of 6.5e-6: for 8-bit images, one level in one of 150 000 values.
MOST_IN_MEANS = 100.0


def psnr(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Peak signal-to-noise ratio in dB, peak 255, pooled over all values; infinite for equal images."""
    mse = np.mean(np.square(a - b))
    return float(10 * np.log10(255**2 / mse)) if mse else float("inf")


def in_means(psnr_db: Any) -> Any:
    """PSNR of single images, dB, limited to MOST_IN_MEANS. Every mean over images in this library uses it."""
    return np.minimum(psnr_db, MOST_IN_MEANS)
