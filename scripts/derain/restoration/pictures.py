"""Reading and writing of photographs: the pixels go through the network, all else of the file stays."""

import io
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from derain.data.images import Pixels, UnreadableImageError, bits_a_channel, opened, upright
from derain.errors import reason_of

# A folder's files with these suffixes are read. The last ones are photographs also where Pillow cannot read them.
SUFFIXES = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
SUFFIXES |= {".avif", ".heic", ".heif"}
MODES = {"1", "L", "P", "LA", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}  # 8 bits a channel, or 1
TIFF_COMPRESSION = "compression"
QUALITY = 95  # where a file does not say with which quality it was written: WebP, AVIF, and JPEG in CMYK


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
    """Decode a photograph. Raises UnreadableImageError, also for animations, for more than 8 bits a channel, which the
    network would lose, and for formats that Pillow cannot write.
    """
    with opened(path) as image:
        # MPO: a JPEG of a telephone, with a preview or a depth map behind it, which is dropped
        kind = "JPEG" if image.format == "MPO" else str(image.format)
        if (frames := getattr(image, "n_frames", 1)) > 1 and kind == image.format:
            raise UnreadableImageError(path, f"holds {frames} images; only files with one are restored")
        if image.mode not in MODES or bits_a_channel(path, image) > 8:
            raise UnreadableImageError(path, "has more than 8 bits a channel; convert it to 8 bits first")
        options = _options(image)
        if kind not in Image.SAVE:
            raise UnreadableImageError(path, f"is {kind}, which can be read and not written; convert it first")
        turned = upright(image)
        with suppress(Exception):  # EXIF that cannot be read or written is left out
            if "exif" in turned.info:
                options["exif"] = turned.getexif().tobytes()
        has_alpha = "A" in turned.getbands() or "transparency" in turned.info
        alpha = np.asarray(turned.convert("RGBA").getchannel("A")) if has_alpha else None
        grey = turned.mode in ("1", "L", "LA")
        return Picture(np.asarray(turned.convert("RGB")), alpha, grey, kind, options)


def encoded(picture: Picture, restored: Pixels) -> bytes:
    """The file of a restored photograph: in the format of the original, with its alpha, colour profile, EXIF, and its
    quality if it is a JPEG. Raises ValueError if the format cannot hold them.
    """
    image = Image.fromarray(restored)
    if picture.grey:
        image = image.convert("L")
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    file = io.BytesIO()
    try:
        image.save(file, picture.format, **picture.options)
    except MemoryError:
        raise
    except Exception as error:  # encoders raise anything, too
        raise ValueError(f"cannot be written as {picture.format} ({reason_of(error)})") from error
    return file.getvalue()


def _options(image: Image.Image) -> dict[str, Any]:
    """Options of Pillow for writing a file like this one."""
    info, options = image.info, {}
    for name in ("icc_profile", "dpi"):
        if info.get(name) and (name, image.mode) != ("icc_profile", "CMYK"):  # the output is RGB
            options[name] = info[name]
    if isinstance(image, JpegImageFile) and image.mode != "CMYK":
        sampling = get_sampling(image)
        options |= {"qtables": image.quantization} | ({"subsampling": sampling} if sampling >= 0 else {})
        options |= {"progressive": True} if info.get("progressive") else {}
    elif isinstance(image, JpegImageFile) or image.format in ("WEBP", "AVIF"):
        options["quality"] = QUALITY
    elif image.format == "TIFF" and info.get(TIFF_COMPRESSION):
        options["compression"] = info[TIFF_COMPRESSION]
    return options
