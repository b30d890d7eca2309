"""Peak signal-to-noise ratio, apart from other metrics, because it also validates trainings."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# dB: what an image counts at most in a mean. Equal images have an infinite PSNR, and one of them would hide what the
# others are. 100 dB is a mean squared error of 6.5e-6: of 8-bit images, one level in one of 15 000 values.
MOST_IN_MEANS = 100.0


def psnr(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Peak signal-to-noise ratio in dB, peak 255, pooled over all values; infinite for equal images."""
    mse = np.mean(np.square(a - b))
    return float(10 * np.log10(255**2 / mse)) if mse else float("inf")


def in_means(psnr_db: Any) -> Any:
    """PSNR of single images, dB, as means over images take it. Every mean of this library does."""
    return np.minimum(psnr_db, MOST_IN_MEANS)
