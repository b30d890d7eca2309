"""Converts a network's output to the values that are scored: rounded to 8 bits, as in an image file, or not.

Published figures differ by up to 0.2 dB by this alone, so every score states its rounding.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A clamped output in [0, 1], float32 → values in [0, 255] of the same shape.
ROUNDINGS: dict[str, Callable[[NDArray[np.float32]], NDArray[Any]]] = {
    "nearest": lambda output: np.rint(output * np.float32(255)).astype(np.uint8),
    # uint8(255 * out), as PReNet's authors wrote the images of their figures: half a level too dark on average.
    "truncate": lambda output: (output * np.float32(255)).astype(np.uint8),
    "none": lambda output: output.astype(np.float64) * 255,
}
