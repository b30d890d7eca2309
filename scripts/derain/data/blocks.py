"""Rain streaks on large photographs, block by block: temporary arrays do not grow with the photograph. Streaks cross
the borders of blocks.
"""

import numpy as np
from derain.data.images import Pixels

# Private there: another name would change the digest of that code, and so of all rendered pairs.
from derain.data.rain import Rain, _streak
from numpy.typing import NDArray

BLOCK = 1024  # side, pixels
ORIGIN = 1000  # index of the block at the upper left corner; blocks before it lie outside the photograph


def add_rain_in_blocks(clean: Pixels, rain: Rain, seed: tuple[int, ...], block: int = BLOCK) -> Pixels:
    """O = B + R, rounded and clipped to 8 bits: clean (H, W, 3) → rainy (H, W, 3), like `derain.data.rain.add_rain`.

    Streaks start at the same density and with the same brightness, but are drawn for each block by a seed of its own.
    """
    from scipy.ndimage import gaussian_filter  # imported here, so that planning does not wait for SciPy
    from scipy.signal import fftconvolve

    rng = np.random.default_rng(seed)
    streak = _streak(rng.uniform(*rain.angle), rng.uniform(*rain.length), rain.width)
    blurred = int(4 * rain.blur + 0.5)  # the radius at which SciPy cuts the Gaussian off
    margin = streak.shape[0] // 2 + blurred
    rainy = np.empty_like(clean)
    for top in range(0, clean.shape[0], block):
        for left in range(0, clean.shape[1], block):
            part = np.s_[top : top + block, left : left + block]
            height, width = clean[part].shape[:2]
            starts = _starts(top - margin, left - margin, height + 2 * margin, width + 2 * margin, rain, seed, block)
            layer = fftconvolve(starts, streak, mode="valid")
            if rain.blur:
                layer = gaussian_filter(layer, rain.blur)[blurred : blurred + height, blurred : blurred + width]
            rainy[part] = np.clip(np.rint(clean[part] + 255 * np.maximum(layer, 0)[..., None]), 0, 255)
    return rainy


def _starts(
    top: int, left: int, height: int, width: int, rain: Rain, seed: tuple[int, ...], block: int
) -> NDArray[np.float64]:
    """The brightness of the streak centred at each pixel of a box, 0 where there is none, (height, width)."""
    found = np.zeros((height, width))
    for row in range(top // block, (top + height - 1) // block + 1):
        for column in range(left // block, (left + width - 1) // block + 1):
            rng = np.random.default_rng((*seed, row + ORIGIN, column + ORIGIN))
            drawn = (rng.random((block, block)) < rain.density) * rng.uniform(*rain.brightness, (block, block))
            first, second = row * block - top, column * block - left  # of the block, in the box
            inside = drawn[max(0, -first) : height - first, max(0, -second) : width - second]
            down, right = max(0, first), max(0, second)
            found[down : down + inside.shape[0], right : right + inside.shape[1]] = inside
    return found
