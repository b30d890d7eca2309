"""Reading and writing of photographs: the pixels go through the network, all else of the file stays."""

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from derain.data.images import Pixels, UnreadableImageError, bits_a_channel, opened, upright
from derain.errors import reason_of

# A folder's files with these suffixes are read. The last ones are photographs also where Pillow cannot read them.
SUFFIXES = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
SUFFIXES |= {".avif", ".heic", ".heif"}
MODES = {"1", "L", "P", "LA", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}  # 8 bits a channel, or 1
DEEP = "has more than 8 bits a channel; convert it to 8 bits first"
QUALITY = 95  # where a file does not say with which quality it was written: WebP, AVIF, JPEG in CMYK and in TIFF
JPEG_IN_TIFF = {"jpeg", "tiff_jpeg"}
# Of TIFF, without losses for 8 bits a channel. Others, such as those for one bit, are replaced by REPLACING.
KEPT_COMPRESSIONS = {"raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "lzma", "zstd"}
REPLACING = "tiff_adobe_deflate"
# In a TIFF the tags of EXIF stand among those that describe its pixels. These are kept, also the directories.
DIRECTORIES = {ExifTags.IFD.Exif.value, ExifTags.IFD.GPSInfo.value}
TIFF_EXIF = DIRECTORIES | {
    getattr(ExifTags.Base, name).value
    for name in (
        *("ImageDescription", "Make", "Model", "Software", "DateTime", "Artist", "HostComputer", "Copyright"),
        *("XPTitle", "XPComment", "XPAuthor", "XPKeywords", "XPSubject"),
    )
}


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


def refused(image: Image.Image) -> str:
    """Why the colours of an image cannot go through a network; "" if they can."""
    if image.mode in MODES:
        return ""
    return DEEP if image.mode.startswith(("I", "F")) else f"has colours in {image.mode}; convert it to RGB first"


def read(path: Path) -> Picture:
    """Decode a photograph. Raises UnreadableImageError, also for animations, for more than 8 bits a channel, which the
    network would lose, for colours that Pillow does not turn into RGB, and for formats that it cannot write.
    """
    with opened(path) as image:
        # MPO: a JPEG of a telephone, with a preview or a depth map behind it, which is dropped
        kind = "JPEG" if image.format == "MPO" else str(image.format)
        if (frames := getattr(image, "n_frames", 1)) > 1 and kind == image.format:
            raise UnreadableImageError(path, f"holds {frames} images; only files with one are restored")
        if reason := refused(image) or (DEEP if bits_a_channel(path, image) > 8 else ""):
            raise UnreadableImageError(path, reason)
        options = _options(path, image)
        if kind not in Image.SAVE:
            raise UnreadableImageError(path, f"is {kind}, which can be read and not written; convert it first")
        turned = upright(image)
        with suppress(Exception):  # EXIF that cannot be read or written is left out
            if exif := _exif(image, turned):
                options["exif"] = exif.tobytes()
                if kind == "TIFF" and DIRECTORIES & set(exif):
                    options["compression"] = "raw"  # libtiff, which compresses, cannot write directories
        has_alpha = "A" in turned.getbands() or "transparency" in turned.info
        alpha = np.asarray(turned.convert("RGBA").getchannel("A")) if has_alpha else None
        grey = turned.mode in ("1", "L", "LA")
        return Picture(np.asarray(turned.convert("RGB")), alpha, grey, kind, options)


def encoded(picture: Picture, restored: Pixels) -> bytes:
    """The file of a restored photograph: in the format of the original, with its alpha, colour profile, EXIF, and its
    quality if it is a JPEG. Raises ValueError if the format cannot hold them, or an image of this size.
    """
    image = Image.fromarray(restored)
    if picture.grey:
        image = image.convert("L")
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    file = io.BytesIO()
    try:
        image.save(file, picture.format, **picture.options)
        with Image.open(file) as written:
            width, height = written.size
    except MemoryError:
        raise
    except Exception as error:  # encoders raise anything, too
        raise ValueError(f"cannot be written as {picture.format} ({reason_of(error)})") from error
    if (width, height) != image.size:  # as of icons
        raise ValueError(f"cannot be written as {picture.format} (it would have {width}×{height} pixels)")
    return file.getvalue()


def _exif(image: Image.Image, turned: Image.Image) -> Image.Exif:
    """What EXIF says of a photograph beside how to turn it. turned: the decoded image, upright."""
    if image.format != "TIFF":
        return turned.getexif()
    found, exif = image.getexif(), Image.Exif()
    for tag in TIFF_EXIF & set(found):
        value = found.get_ifd(tag) if tag in DIRECTORIES else found[tag]
        if tag == ExifTags.IFD.Exif:  # within it, the place of one more directory in the old file
            value = {each: value[each] for each in value if each != ExifTags.IFD.Interop}
        exif[tag] = value
    return exif


def _is_lossless_webp(path: Path) -> bool:
    """Whether the first picture among the chunks of a WebP is stored without losses."""
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8 and head[:4] not in (b"VP8L", b"VP8 "):
            length = int.from_bytes(head[4:], "little")
            file.seek(length + length % 2, os.SEEK_CUR)
    return head[:4] == b"VP8L"


def _options(path: Path, image: Image.Image) -> dict[str, Any]:
    """Options of Pillow for writing a file like this one."""
    info, options = image.info, {}
    for name in ("icc_profile", "dpi"):
        if info.get(name) and (name, image.mode) != ("icc_profile", "CMYK"):  # the output is RGB
            options[name] = info[name]
    if isinstance(image, JpegImageFile) and image.mode != "CMYK":
        sampling = get_sampling(image)
        options |= {"qtables": image.quantization} | ({"subsampling": sampling} if sampling >= 0 else {})
        options |= {"progressive": True} if info.get("progressive") else {}
    elif image.format == "WEBP" and _is_lossless_webp(path):
        options |= {"lossless": True, "exact": True}  # exact: also the colours of transparent pixels
    elif isinstance(image, JpegImageFile) or image.format in ("WEBP", "AVIF"):
        options["quality"] = QUALITY
    elif image.format == "TIFF" and info.get("compression") in JPEG_IN_TIFF:
        options |= {"compression": "jpeg", "quality": QUALITY}
    elif image.format == "TIFF":
        options["compression"] = kept if (kept := info.get("compression", "raw")) in KEPT_COMPRESSIONS else REPLACING
    return options
