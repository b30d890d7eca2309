"""What the tests of `derain restore` share: a small network, photographs, and the command."""

import numpy as np
from derain.__main__ import main
from derain.evaluation.tiles import TILE, restored
from PIL import Image


def pixels(height, width):
    return np.random.default_rng(height).integers(0, 256, (height, width, 3)).astype(np.uint8)


def whole(network, rainy):
    return restored(network, rainy, TILE)


def restore(*arguments):
    """The status of the command."""
    try:
        main(["restore", *map(str, arguments)])
    except SystemExit as ended:
        return ended.code
    return 0


def pixels_of(file):
    with Image.open(file) as image:
        return np.asarray(image)
