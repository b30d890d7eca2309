"""Inspection of one image file: whether it can be used, its peculiarities, and fingerprints of its pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from derain.data.images import (
    Pixels,
    UnreadableImageError,
    bits_a_channel,
    opened,
    orientation,
    part_of,
    pixels_digest,
    upright_rgb,
)
from derain.data.samples import WHOLE
from PIL import Image

FORMATS = {
    "PNG": {".png"},
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".mpo"},  # written by telephones; the first picture is the photograph
    "BMP": {".bmp"},
    "WEBP": {".webp"},
    "TIFF": {".tif", ".tiff"},
}
RAW = {".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw"}
# Extensions of images that are not read, so that they are found and refused, not passed over.
UNREAD = RAW | {
    *(".apng", ".avif", ".dib", ".exr", ".gif", ".heic", ".heif", ".j2k", ".jp2", ".jpf", ".jpx", ".jxl", ".pbm"),
    *(".pcx", ".pfm", ".pgm", ".pnm", ".ppm", ".psd", ".qoi", ".tga"),
}
EXTENSIONS = sorted(UNREAD.union(*FORMATS.values()))
GREY, COLOUR = {"1", "L", "LA"}, {"P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"}

# Sides of squares: the reduced grey picture (pixels), the block of its low DCT frequencies that is hashed
# (coefficients), the colour thumbnail (pixels).
REDUCED, FREQUENCIES, THUMBNAIL = 64, 16, 8
START_OF_SCAN, END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"  # markers of a JPEG
# Standard deviation in 8-bit levels. Below it a picture counts as one even area, whose hash would be noise.
FLAT = 2.0


@dataclass(frozen=True)
class Facts:
    """Facts about an upright picture: size in pixels, sha256 of its pixels, perceptual hash and colour thumbnail (both
    hex; the hash is "" for an even area).
    """

    height: int
    width: int
    sha256: str
    hash: str
    thumbnail: str


# How an upright picture is turned back to the one that the file stores, by its orientation.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def as_stored(facts: Facts, orientation: int) -> Facts:
    """The facts with the thumbnail of the picture as the file stores it, not turned by its EXIF tag."""
    upright = Image.frombytes("RGB", (THUMBNAIL, THUMBNAIL), bytes.fromhex(facts.thumbnail))
    return replace(facts, thumbnail=upright.transpose(STORED[orientation]).tobytes().hex())


@dataclass(frozen=True)
class Inspection:
    """Result for one file. fault: why it cannot be used, or ""; notes: peculiarities that are handled; orientation: its
    EXIF tag, 1 if it turns nothing; pictures: facts by part (WHOLE, LEFT, RIGHT), upright, empty if there is a fault.
    """

    fault: str = ""
    notes: Sequence[str] = ()
    orientation: int = 1
    pictures: dict[str, Facts] = field(default_factory=dict)


def inspect(path: Path, parts: Sequence[str]) -> Inspection:
    """Decode a whole file and compute the facts of the given parts. Faults of the file are returned, not raised."""
    if path.suffix.lower() in RAW:  # Pillow would read the preview in some of them
        return Inspection(f"is a raw photograph; read are {', '.join(FORMATS)}")
    try:
        with opened(path) as image:
            _refuse(path, image)
            pixels = upright_rgb(image)
            _refuse_damage(path, str(image.format))
            notes = _notes(path, image)
            turn = orientation(image)
    except UnreadableImageError as error:
        return Inspection(error.reason)
    if any(part != WHOLE for part in parts) and pixels.shape[1] % 2:
        return Inspection(f"is {pixels.shape[1]} pixels wide: two images side by side need an even width")
    return Inspection("", notes, turn, {part: _facts(part_of(pixels, part)) for part in parts})


def _refuse(path: Path, image: Image.Image) -> None:
    """Raise UnreadableImageError if conversion to 8-bit RGB would need a choice that only the user can make."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise UnreadableImageError(path, f"holds {frames} pictures (animated?), one was expected")
    if image.format not in FORMATS:
        raise UnreadableImageError(path, f"is {image.format}; read are {', '.join(FORMATS)}")
    if image.mode.startswith(("I", "F")) or bits_a_channel(path, image) > 8:
        raise UnreadableImageError(path, "has more than 8 bits a channel; convert it to 8 bits")
    if image.mode not in GREY | COLOUR:
        raise UnreadableImageError(path, f"has pixels of kind {image.mode}; grey or RGB was expected")
    if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        raise UnreadableImageError(path, "is transparent in places; an opaque image was expected")


def _refuse_damage(path: Path, kind: str) -> None:
    """Raise UnreadableImageError for damage that decoding does not notice, where the format can tell: the checksums of
    a PNG, and the end marker of a JPEG. Files are damaged so by an interrupted copy into allocated space.
    """
    if kind == "PNG":
        with opened(path) as image:
            image.verify()
    elif kind in ("JPEG", "MPO") and not _has_end(path.read_bytes()):
        raise UnreadableImageError(path, "is damaged: a JPEG without an end")


def _has_end(jpeg: bytes) -> bool:
    """Whether the end marker follows the pixels; it cannot occur inside them, but in a preview in the header. True for
    a header that is not a series of segments.
    """
    at = 2
    while jpeg[at : at + 2] != START_OF_SCAN:
        if jpeg[at : at + 1] != b"\xff":
            return True
        # A segment: marker, and the length of the rest. Fill bytes may stand before a marker.
        at += 1 if jpeg[at + 1 : at + 2] == b"\xff" else 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return jpeg.find(END_OF_IMAGE, at) >= 0


def _notes(path: Path, image: Image.Image) -> list[str]:
    notes = []
    if path.suffix.lower() not in FORMATS[str(image.format)]:
        notes.append(f"is {image.format} by its content; read as such")
    if orientation(image) != 1:
        notes.append("turned upright by its EXIF tag")
    if image.has_transparency_data:
        notes.append("has an alpha channel, opaque everywhere; left out")
    if image.mode in GREY:
        notes.append("is grey; read as RGB of equal channels")
    elif image.mode in ("P", "CMYK"):
        notes.append(f"is {'a palette image' if image.mode == 'P' else 'CMYK'}; converted to RGB")
    return notes


def _facts(pixels: Pixels) -> Facts:
    thumbnail = Image.fromarray(pixels).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX).tobytes().hex()
    return Facts(pixels.shape[0], pixels.shape[1], pixels_digest(pixels), perceptual_hash(pixels), thumbnail)


def perceptual_hash(pixels: Pixels) -> str:
    """255 bits (hex): whether each low DCT frequency of the grey picture lies above their median.

    pixels: (H, W, 3) uint8. The hash survives re-encoding, rescaling and a crop by a few pixels (at most 10 % of the
    bits differ on Rain100; those of different photographs of BSDS500 differ by at least 35 %). Empty for an even area.
    """
    from scipy.fft import dctn  # imported here, so that planning does not wait for SciPy

    side = (REDUCED, REDUCED)
    grey = np.asarray(Image.fromarray(pixels).convert("L").resize(side, Image.Resampling.LANCZOS), dtype=np.float64)
    if grey.std() < FLAT:
        return ""
    low = dctn(grey, norm="ortho")[:FREQUENCIES, :FREQUENCIES].ravel()[1:]  # without the mean brightness
    return np.packbits(low > np.median(low)).tobytes().hex()
