"""Restores images in memory."""

from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from derain.allocator import RESTORING_LIMIT
from derain.config.values import bytes_of
from derain.data.images import upright_rgb
from derain.errors import UserError
from derain.evaluation.tiles import field_of, restored
from derain.restoration.memory import side_within
from derain.restoration.pictures import refused

Photograph = TypeVar("Photograph", NDArray[np.uint8], Image.Image, Tensor)


def restore(network: nn.Module, image: Photograph, memory: int | str = RESTORING_LIMIT) -> Photograph:
    """f(O; θ) of one image of any size, clamped to [0, 1]; the same type as the image.

    image: NumPy (H, W, 3) uint8; a PIL image of 8 bits a channel, which becomes RGB and is turned upright by its EXIF
    tag; or a tensor (3, H, W) of floats in [0, 1], whose values are rounded to 8 bits, as images in files are. memory:
    limit of the process in bytes, or text such as 500M or 2Gi; larger images are computed in tiles
    (derain.evaluation.tiles). Raises TypeError or ValueError for other images, and UserError if the memory is too
    little or no number of bytes.
    """
    if isinstance(memory, str):
        try:
            memory = bytes_of(memory)
        except ValueError as error:
            raise UserError(f"memory: {error}") from None
    if isinstance(image, Image.Image):
        if reason := refused(image):
            raise ValueError(f"a PIL image of mode {image.mode} {reason}")
        return Image.fromarray(restore(network, upright_rgb(image), memory))
    if isinstance(image, Tensor):
        if image.ndim != 3 or image.shape[0] != 3 or not image.is_floating_point():
            raise ValueError(f"a tensor should be (3, H, W) of floats, not {tuple(image.shape)} of {image.dtype}")
        levels = (image.detach() * 255).round()
        if not bool(((levels >= 0) & (levels <= 255)).all()):  # nor is NaN
            low, high = (float(end) for end in image.aminmax())
            raise ValueError(f"the values of a tensor should be in [0, 1], not from {low:g} to {high:g}")
        pixels = levels.to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        output = torch.from_numpy(restore(network, pixels, memory)).permute(2, 0, 1)
        return (output / 255).to(image)
    if not isinstance(image, np.ndarray):
        raise TypeError(f"an image should be a NumPy array, a PIL image or a tensor, not {type(image).__name__}")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"an array should be (H, W, 3) of uint8, not {image.shape} of {image.dtype}")
    field = field_of(network)
    return restored(network, image, side_within(network, field, memory, image.shape[0] * image.shape[1]), field)
