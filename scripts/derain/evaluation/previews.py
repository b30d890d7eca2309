"""Which outputs are kept to be looked at, and how much of each.

Images are chosen by the PSNR of the rainy input: the hardest, the easiest, and so many evenly between. It is known
before any training, so every stage keeps the same images, and no score decides what is kept.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Pixels. An output is kept at its own resolution, since rain is gone in what is shrunk, and cropped to its centre.
SIDE = 384


def chosen(images: Sequence[str], rainy_psnr_db: Mapping[str, float], count: int) -> list[int]:
    """Numbers of up to `count` images, from the worst rainy input to the best; of one alone, the median.

    rainy_psnr_db: by image. Without clean images there is none, and the images are spread over their list.
    """
    ranks = sorted(range(len(images)), key=lambda n: (rainy_psnr_db.get(images[n], 0), n))
    spread = np.linspace(0, len(ranks) - 1, count) if count > 1 else np.full(count, (len(ranks) - 1) / 2)
    return [ranks[n] for n in dict.fromkeys(spread.astype(int).tolist())] if ranks else []


def crop(image: NDArray[Any], side: int = SIDE) -> NDArray[Any]:
    """The centre of an image (H, W, 3), at most side × side."""
    top, left = (max(0, (extent - side) // 2) for extent in image.shape[:2])
    return image[top : top + side, left : left + side]
