"""PSNR and SSIM of one image, as the de-raining field computes them: on Y and on RGB.

SciPy and scikit-image are slow to import, and the jobs of tables need the names of the metrics alone: so they are
imported where SSIM is computed.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from derain.evaluation.psnr import in_means, psnr

if TYPE_CHECKING:
    import pandas as pd

# (H, W, 3) in [0, 255]: 8-bit, or a float output that was not rounded.
Image = NDArray[Any]


WANG2009, FULL_SIZE = ("wang2009", "full_size")


def luma(image: Image) -> NDArray[np.float64]:
    """Y of BT.601 in [16, 235], not rounded (MATLAB's rgb2ycbcr in double): (H, W, 3) → (H, W)."""
    return 16 + image @ (np.array([65.481, 128.553, 24.966]) / 255)


def ssim(a: NDArray[np.float64], b: NDArray[np.float64], protocol: str = WANG2009) -> float:
    """SSIM of Wang et al. 2004: one channel, range 255.

    Gaussian window 11×11 of σ 1.5, K = (0.01, 0.03), windows inside the image only. Raises ValueError below 11 pixels.
    protocol: `wang2009` follows their `ssim.m` of 2009: if f = round(min(H, W)/256) is above 1, both images are first
    box-filtered f×f and subsampled by f. `full_size` follows their `ssim_index.m` of 2003, which does not do this.
    """
    from skimage.metrics import structural_similarity

    factor = max(1, int(min(a.shape) / 256 + 0.5)) if protocol == WANG2009 else 1
    if factor > 1:
        a, b = (_shrink(image, factor) for image in (a, b))
    return float(
        structural_similarity(  # type: ignore[no-untyped-call]  # skimage has no types
            a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


def _shrink(image: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    from scipy.ndimage import uniform_filter

    # MATLAB's imfilter centres an even window on the upper left of its middle pixels, SciPy on the lower right.
    origin = 0 if factor % 2 else -1
    shrunk: NDArray[np.float64] = uniform_filter(image, factor, mode="reflect", origin=origin)[::factor, ::factor]
    return shrunk


def score(image: Image, clean: Image, protocol: str = WANG2009) -> dict[str, float]:
    """PSNR in dB and SSIM (`protocol` of `ssim`) of an image against the clean one, each (H, W, 3), on Y and on RGB.

    PSNR on RGB pools the error over the channels; SSIM on RGB is the mean over them.
    """
    y, y_clean = luma(image), luma(clean)
    rgb, rgb_clean = image.astype(np.float64), clean.astype(np.float64)
    return {
        "psnr_y_db": psnr(y, y_clean),
        "ssim_y": ssim(y, y_clean, protocol),
        "psnr_rgb_db": psnr(rgb, rgb_clean),
        "ssim_rgb": float(np.mean([ssim(rgb[..., c], rgb_clean[..., c], protocol) for c in range(3)])),
    }


METRICS = ("psnr_y_db", "ssim_y", "psnr_rgb_db", "ssim_rgb")


def scores_in_means(scores: "pd.DataFrame") -> "pd.DataFrame":
    """A table with METRICS of images, as its values enter means (see `psnr.in_means`)."""
    return scores.assign(**{name: in_means(scores[name]) for name in METRICS if name.startswith("psnr")})
