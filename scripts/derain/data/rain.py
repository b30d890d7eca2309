"""Rendering of rain streaks on clean photographs: O = B + R (NR, Eq. 1), a pure function of parameters and seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rain:
    """Parameters of one kind of rain. Ranges (low, high) are drawn from uniformly: angle and length once for each
    image, brightness for each streak.

    angle: degrees from the vertical, positive if the upper end of a streak leans right; length: of a streak, pixels;
    width: of a streak at half its brightness, pixels; density: streaks per pixel; brightness: what the middle of a
    streak adds, 1 = white; blur: σ of a Gaussian blur of the rain, pixels.
    """

    angle: tuple[float, float]
    length: tuple[float, float]
    width: float
    density: float
    brightness: tuple[float, float]
    blur: float = 0.0


def _streak(angle: float, length: float, width: float) -> NDArray[np.float32]:
    """A single streak, (K, K), peak 1: a line segment with a Gaussian cross-section of full width at half maximum
    `width`. Lengths in pixels, angle in degrees.
    """
    radius = int(np.ceil(length / 2 + 2 * width))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    slope = np.deg2rad(angle)
    along = -x * np.sin(slope) + y * np.cos(slope)
    across = x * np.cos(slope) + y * np.sin(slope)
    sigma = width / 2.355  # from full width at half maximum
    beyond = np.maximum(np.abs(along) - length / 2, 0)
    return np.exp(-(across**2 + beyond**2) / (2 * sigma**2)).astype(np.float32)


def rain_layer(height: int, width: int, rain: Rain, seed: tuple[int, ...]) -> NDArray[np.float32]:
    """The rain layer R, (height, width), ≥ 0. Equal arguments give equal layers."""
    from scipy.ndimage import gaussian_filter  # imported here, so that planning does not wait for SciPy
    from scipy.signal import fftconvolve

    rng = np.random.default_rng(seed)
    streak = _streak(rng.uniform(*rain.angle), rng.uniform(*rain.length), rain.width)
    margin = streak.shape[0] // 2  # streaks centred outside the frame reach into it
    shape = (height + 2 * margin, width + 2 * margin)
    starts = (rng.random(shape) < rain.density) * rng.uniform(*rain.brightness, shape)
    layer = fftconvolve(starts, streak, mode="same")
    if rain.blur:
        layer = gaussian_filter(layer, rain.blur)
    return np.maximum(layer[margin : margin + height, margin : margin + width], 0).astype(np.float32)


def add_rain(clean: NDArray[np.uint8], rain: Rain, seed: tuple[int, ...]) -> NDArray[np.uint8]:
    """O = B + R, rounded and clipped to 8 bits: clean (H, W, 3) → rainy (H, W, 3). The rain is grey."""
    layer = rain_layer(clean.shape[0], clean.shape[1], rain, seed)
    return np.clip(np.rint(clean + 255 * layer[..., None]), 0, 255).astype(np.uint8)
