"""Selects and crops the outputs that are kept as previews.

Images are chosen by the PSNR of the rainy input: the lowest, the highest, and others evenly between. It is known before
any training, so every stage keeps the same images, and its scores do not influence the choice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Pixels. Outputs are cropped to their centre, not shrunk, because shrinking removes rain.
SIDE = 384


def chosen(images: Sequence[str], rainy_psnr_db: Mapping[str, float], count: int) -> list[int]:
    """Indices of up to `count` images, from the lowest PSNR of the rainy input to the highest; for count 1, the median.

    rainy_psnr_db: by image. It is empty without clean images; then the choice is spread evenly over the list.
    """
    ranks = sorted(range(len(images)), key=lambda n: (rainy_psnr_db.get(images[n], 0), n))
    spread = np.linspace(0, len(ranks) - 1, count) if count > 1 else np.full(count, (len(ranks) - 1) / 2)
    return [ranks[n] for n in dict.fromkeys(spread.astype(int).tolist())] if ranks else []


def crop(image: NDArray[Any], side: int = SIDE) -> NDArray[Any]:
    """The centre of an image (H, W, 3), at most side × side."""
    top, left = (max(0, (extent - side) // 2) for extent in image.shape[:2])
    return image[top : top + side, left : left + side]
