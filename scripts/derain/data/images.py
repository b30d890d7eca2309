"""Image files as 8-bit RGB."""

from pathlib import Path

import numpy as np
from derain.data.samples import Image as Pixels
from derain.errors import UserError
from PIL import Image, ImageOps, UnidentifiedImageError

EXTENSIONS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}


def read_rgb(path: Path) -> Pixels:
    """(H, W, 3) uint8, turned upright by its EXIF tag. Raises UserError, naming the file, where it is no image."""
    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, UnidentifiedImageError) as error:
        raise UserError(f"{path}: cannot be read as an image ({error})") from error


def size_of(path: Path) -> tuple[int, int]:
    """(height, width) as `read_rgb` would return it, from the header alone. Raises UserError."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            sideways = image.getexif().get(0x0112, 1) >= 5
            return (width, height) if sideways else (height, width)
    except (OSError, SyntaxError, UnidentifiedImageError) as error:
        raise UserError(f"{path}: cannot be read as an image ({error})") from error
