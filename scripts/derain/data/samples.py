"""The pairs of a dataset as its layout describes them, before they are packed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Sample:
    """One pair. load() → (rainy, clean), each (H, W, 3) uint8; clean is None for real rain without a clean image.

    split: train, validation or test; scene: what pairs of one clean background share; name: unique in the dataset;
    height, width: pixels; files: where it is read from.
    """

    split: str
    scene: str
    name: str
    height: int
    width: int
    files: tuple[Path, ...]
    load: Callable[[], tuple[Image, Image | None]]


def samples(spec: dict[str, Any]) -> Iterator[Sample]:
    """The samples of a dataset's section of the config (as plain values), always in the same order.

    Raises UserError where files are missing or no images.
    """
    layout, options = spec["layout"], {key: value for key, value in spec.items() if key != "layout"}
    if layout == "rendered":
        from derain.data.rendered import rendered

        return rendered(**options)
    from derain.data.folders import folders

    return folders(**options)
