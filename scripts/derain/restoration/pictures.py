"""Reading and writing of photographs: the pixels go through the network, all else of the file stays."""

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from derain.data.images import UnreadableImageError, opened

Pixels = NDArray[np.uint8]
SUFFIXES = tuple(sorted(Image.registered_extensions()))
MODES = {"1", "L", "P", "LA", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}  # 8 bits a channel, or 1
TIFF_BITS, TIFF_COMPRESSION = 258, "compression"
QUALITY = 95  # where a file does not say with which quality it was written: WebP, and JPEG in CMYK


class Picture(NamedTuple):
    """A photograph. rgb: (H, W, 3) uint8, upright; alpha: (H, W) or None; grey: whether the file has no colours;
    format: of the file, as Pillow names it; options: for writing it again.
    """

    rgb: Pixels
    alpha: Pixels | None
    grey: bool
    format: str
    options: dict[str, Any]


def size_of(path: Path) -> int:
    """Number of pixels, from the header. Raises UnreadableImageError."""
    with opened(path) as image:
        return image.width * image.height


def read(path: Path) -> Picture:
    """Decode a photograph. Raises UnreadableImageError, also for animations and for more than 8 bits a channel, which
    the network would lose.
    """
    with opened(path) as image:
        if (frames := getattr(image, "n_frames", 1)) > 1:
            raise UnreadableImageError(path, f"holds {frames} images; only files with one are restored")
        if image.mode not in MODES or _bits(path, image) > 8:
            raise UnreadableImageError(path, "has more than 8 bits a channel; convert it to 8 bits first")
        options, kind = _options(image), str(image.format)
        upright = ImageOps.exif_transpose(image)
        if "exif" in image.info:
            options["exif"] = upright.getexif().tobytes()
        has_alpha = "A" in upright.getbands() or "transparency" in upright.info
        alpha = np.asarray(upright.convert("RGBA").getchannel("A")) if has_alpha else None
        grey = upright.mode in ("1", "L", "LA")
        return Picture(np.asarray(upright.convert("RGB")), alpha, grey, kind, options)


def encoded(picture: Picture, restored: Pixels) -> bytes:
    """The file of a restored photograph: in the format of the original, with its alpha, colour profile, EXIF, and its
    quality if it is a JPEG.
    """
    image = Image.fromarray(restored)
    if picture.grey:
        image = image.convert("L")
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    file = io.BytesIO()
    image.save(file, picture.format, **picture.options)
    return file.getvalue()


def _bits(path: Path, image: Image.Image) -> int:
    """Bits a channel, where Pillow's mode hides that it drops some."""
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24]
    bits = image.tag_v2.get(TIFF_BITS, (8,)) if hasattr(image, "tag_v2") else (8,)
    return max(bits) if isinstance(bits, tuple) else int(bits)


def _options(image: Image.Image) -> dict[str, Any]:
    """Options of Pillow for writing a file like this one."""
    info, options = image.info, {}
    for name in ("icc_profile", "dpi"):
        if info.get(name):
            options[name] = info[name]
    if isinstance(image, JpegImageFile) and image.mode != "CMYK":
        sampling = get_sampling(image)
        options |= {"qtables": image.quantization} | ({"subsampling": sampling} if sampling >= 0 else {})
        options |= {"progressive": True} if info.get("progressive") else {}
    elif isinstance(image, JpegImageFile) or image.format == "WEBP":
        options["quality"] = QUALITY
    elif image.format == "TIFF" and info.get(TIFF_COMPRESSION):
        options["compression"] = info[TIFF_COMPRESSION]
    return options
