"""Peak signal-to-noise ratio, apart from other metrics, because it also validates trainings."""

import numpy as np
from numpy.typing import NDArray


def psnr(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Peak signal-to-noise ratio in dB, peak 255, pooled over all values; infinite for equal images."""
    mse = np.mean(np.square(a - b))
    return float(10 * np.log10(255**2 / mse)) if mse else float("inf")
