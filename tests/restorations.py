"""What the tests of `derain restore` share: the command, pixels of photographs and of outputs."""

from functools import partial

import numpy as np
from derain.__main__ import main
from derain.evaluation.tiles import TILE, restored
from PIL import Image


def pixels(height, width):
    return np.random.default_rng(height).integers(0, 256, (height, width, 3)).astype(np.uint8)


def whole(network, rainy):
    return restored(network, rainy, TILE)


def status(*arguments):
    """How a command of the program for people ends."""
    try:
        main(list(map(str, arguments)))
    except SystemExit as ended:
        return ended.code
    return 0


restore = partial(status, "restore")


def pixels_of(file):
    with Image.open(file) as image:
        return np.asarray(image)
