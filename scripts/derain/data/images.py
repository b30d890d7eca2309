"""Reading of image files as 8-bit RGB."""

import hashlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from derain.data.samples import LEFT, WHOLE
from derain.errors import UserError, reason_of, shown
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

Pixels = NDArray[np.uint8]

# Pillow warns above its limit and raises above twice the limit. Here everything above the limit is an error.
MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 2**27
ORIENTATION = 0x0112  # tag of EXIF: how to turn the image
TURNS = range(2, 9)  # its values that turn or mirror; 1 does not, and others mean nothing
OF_THE_TURN = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")  # where Pillow looks for it
TIFF_BITS = 258  # tag of TIFF: bits of each channel
HEAD = 2**16  # bytes at the start of a file, in which its header is
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
        reason = "is empty (0 bytes)" if empty else "is no image that can be read, by its content"
        raise UnreadableImageError(path, reason) from None
    except Exception as error:  # a damaged file makes decoders raise anything
        raise UnreadableImageError(path, f"cannot be read as an image ({reason_of(error)})") from error


def bits_a_channel(path: Path, image: Image.Image) -> int:
    """Bits of the file's channels. Pillow decodes some files with more than 8 bits to 8 bits without a word."""
    if hasattr(image, "tag_v2"):
        bits = image.tag_v2.get(TIFF_BITS, (8,))
        return max(bits) if isinstance(bits, tuple) else int(bits)
    with path.open("rb") as file:
        head = file.read(HEAD)
    match image.format:
        case "PNG":
            return head[24]
        case "PPM":  # the greatest value is the last argument of the decoder, unless that is 255
            arguments = image.tile[0].args if isinstance(image, ImageFile.ImageFile) else ()
            return arguments[-1].bit_length() if isinstance(arguments, tuple) and arguments[1:] else 8
        case "SGI":
            return 8 * head[3]
        case "JPEG2000":  # the size marker, with the depth of the first channel
            return (head[head.index(b"\xff\x4f\xff\x51") + 42] & 0x7F) + 1
        case "AVIF":  # the configuration of the codec, with a bit for high depths
            return 10 if head[head.index(b"av1C") + 6] & 0x40 else 8
    return 8


def orientation(image: Image.Image) -> int:
    """The EXIF tag that says how to turn the image; 1 for none, and for EXIF that cannot be read."""
    with suppress(Exception):  # the parser of EXIF raises anything
        if (found := image.getexif().get(ORIENTATION, 1)) in TURNS:
            return int(found)
    return 1


def upright(image: Image.Image) -> Image.Image:
    """The decoded image, turned by its EXIF tag. Its own EXIF lacks the tag then, or all if it cannot be read."""
    image.load()  # its errors are those of the pixels, and the EXIF of a PNG may follow them
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # the parser of EXIF raises anything
        bare = image.copy()
        for name in OF_THE_TURN:
            bare.info.pop(name, None)
        bare.getexif()[ORIENTATION] = orientation(image)
        return ImageOps.exif_transpose(bare)


def upright_rgb(image: Image.Image) -> Pixels:
    """(H, W, 3) uint8, turned upright by its EXIF tag. Grey, palette and CMYK become RGB; alpha is dropped."""
    return np.asarray(upright(image).convert("RGB"))


def pixels_digest(pixels: Pixels) -> str:
    """sha256 of the pixels, row by row."""
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()


def part_of(pixels: Pixels, part: str) -> Pixels:
    """The LEFT or RIGHT half of an image of even width, or the WHOLE image."""
    if part == WHOLE:
        return pixels
    middle = pixels.shape[1] // 2
    return pixels[:, :middle] if part == LEFT else pixels[:, middle:]


def boxed(photograph: Pixels, box: Sequence[int]) -> Pixels:
    """The part of a photograph that a recipe names. box: top, left, height, width; pixels."""
    top, left, height, width = box
    return photograph[top : top + height, left : left + width]


def read_rgb(path: Path, part: str = WHOLE) -> Pixels:
    """Decode an image, or a half of it: (H, W, 3) uint8, upright. Raises UnreadableImageError."""
    with opened(path) as image:
        return part_of(upright_rgb(image), part)
