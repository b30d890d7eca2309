"""Reading and writing of photographs: the pixels go through the network, all else of the file stays."""

import io
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from derain.data.images import UnreadableImageError, opened
from derain.errors import reason_of

Pixels = NDArray[np.uint8]
# A folder's files with these suffixes are read. The last ones are photographs also where Pillow cannot read them.
SUFFIXES = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
SUFFIXES |= {".avif", ".heic", ".heif"}
MODES = {"1", "L", "P", "LA", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}  # 8 bits a channel, or 1
TIFF_BITS, TIFF_COMPRESSION = 258, "compression"
ORIENTATION = 0x0112  # tag of EXIF: how to turn the image
OF_THE_TURN = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")  # where Pillow looks for it
QUALITY = 95  # where a file does not say with which quality it was written: WebP, AVIF, and JPEG in CMYK
HEAD = 2**16  # bytes at the start of a file, in which its header is


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
        if image.mode not in MODES or _bits(path, image) > 8:
            raise UnreadableImageError(path, "has more than 8 bits a channel; convert it to 8 bits first")
        options = _options(image)
        if kind not in Image.SAVE:
            raise UnreadableImageError(path, f"is {kind}, which can be read and not written; convert it first")
        upright, exif = _upright(image)
        if exif:
            options["exif"] = exif
        has_alpha = "A" in upright.getbands() or "transparency" in upright.info
        alpha = np.asarray(upright.convert("RGBA").getchannel("A")) if has_alpha else None
        grey = upright.mode in ("1", "L", "LA")
        return Picture(np.asarray(upright.convert("RGB")), alpha, grey, kind, options)


def _upright(image: Image.Image) -> tuple[Image.Image, bytes | None]:
    """The image turned upright, and its EXIF without the turn. EXIF that cannot be read or written is left out; what it
    says of the turn is used where it can be read.
    """
    image.load()  # its errors are those of the pixels, and the EXIF of a PNG may follow them
    try:
        upright = ImageOps.exif_transpose(image)
        return upright, upright.getexif().tobytes() if "exif" in image.info else None
    except Exception:  # the parser of EXIF raises anything
        bare = image.copy()
        for name in OF_THE_TURN:
            bare.info.pop(name, None)
        with suppress(Exception):
            bare.getexif()[ORIENTATION] = image.getexif()[ORIENTATION]
        return ImageOps.exif_transpose(bare), None


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


def _bits(path: Path, image: Image.Image) -> int:
    """Bits a channel, where Pillow's mode hides that it drops some."""
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
