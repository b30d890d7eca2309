"""Reading of image files as 8-bit RGB."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from derain.data.samples import LEFT, WHOLE
from derain.errors import UserError, reason_of, shown
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = NDArray[np.uint8]

# Pillow warns above its limit and raises above twice the limit. Here everything above the limit is an error.
MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 2**27
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
# What Pillow tells about a damaged file beside its exception would be a second line about it, without its name.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())


class UnreadableImageError(UserError):
    """A file that cannot be used as an image. `reason` is the message without the file name."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{shown(str(path))}: {reason}")
        self.reason = reason


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image file; its format is recognised by its content. Exceptions inside the block become
    UnreadableImageError, except UserError and MemoryError.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            yield image
    except (UserError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise UnreadableImageError(path, f"has more than {MAX_PIXELS} pixels (a decompression bomb?)") from None
    except UnidentifiedImageError:
        empty = path.stat().st_size == 0
        raise UnreadableImageError(path, "is empty (0 bytes)" if empty else "is no image, by its content") from None
    except Exception as error:  # a damaged file makes decoders raise anything
        raise UnreadableImageError(path, f"cannot be read as an image ({reason_of(error)})") from error


def upright_rgb(image: Image.Image) -> Pixels:
    """(H, W, 3) uint8, turned upright by its EXIF tag. Grey, palette and CMYK become RGB; alpha is dropped."""
    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def part_of(pixels: Pixels, part: str) -> Pixels:
    """The LEFT or RIGHT half of an image of even width, or the WHOLE image."""
    if part == WHOLE:
        return pixels
    middle = pixels.shape[1] // 2
    return pixels[:, :middle] if part == LEFT else pixels[:, middle:]


def read_rgb(path: Path, part: str = WHOLE) -> Pixels:
    """Decode an image, or a half of it: (H, W, 3) uint8, upright. Raises UnreadableImageError."""
    with opened(path) as image:
        return part_of(upright_rgb(image), part)
