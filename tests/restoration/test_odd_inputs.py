"""Damaged and odd inputs of `derain restore`: each is restored or named in one line, and the rest is done."""

import errno
import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from derain.restoration import folder, pictures
from derain.restoration.photographs import RECORD
from PIL import Image, ImageOps, PngImagePlugin
from places import REPOSITORY
from restorations import pixels, pixels_of, restore, whole
from trees import any_letter, png

HEIC = b"\0\0\0\x18ftypheic" + bytes(40)
DEEP = "has more than 8 bits a channel"


def _smooth(height=40, width=60):
    """Colours that a JPEG keeps nearly, and that show each turn."""
    row, column = np.mgrid[0:height, 0:width]
    return np.stack([row * 4, column * 4, (row + column) * 2], -1).astype(np.uint8)


def _image(mode="RGB"):
    return Image.fromarray(_smooth()).convert(mode)


def _bytes(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _cut(kind, part=0.6, **options):
    """A maker of a file that ends early."""
    content = _bytes(Image.fromarray(pixels(60, 60)), kind, **options)
    return lambda file: file.write_bytes(content[: int(len(content) * part)])


def _damaged(compression):
    """A maker of a TIFF with wrong bytes among its pixels, of which libtiff tells by itself."""
    content = _bytes(Image.fromarray(pixels(60, 60)), "TIFF", compression=compression)
    return lambda file: file.write_bytes(content[:20] + bytes(2000) + content[2020:])


def _holding(content):
    return lambda file: file.write_bytes(content)


def _frames(kind):
    """Three different images in one file."""
    first, *others = [Image.fromarray(pixels(8 + n, 8)[:8]) for n in range(3)]
    return _bytes(first, kind, save_all=True, append_images=others)


def _link(target):
    return lambda file: file.symlink_to(target)


def _text_chunk(size):
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "a" * size, zip=True)
    return _bytes(_image(), "PNG", pnginfo=info)


def _exif(content):
    """A JPEG with these bytes as its EXIF."""
    jpeg = _bytes(_image(), "JPEG", quality=95, subsampling=0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 8) + b"Exif\0\0" + content + jpeg[2:]


def _orientation(value, kind=3, count=1):
    """EXIF whose only tag is the orientation. kind: of the value; the standard wants 3, a number of 16 bits."""
    return b"MM\0*\0\0\0\x08\0\x01\x01\x12" + struct.pack(">HI", kind, count) + value + bytes(4)


# --- what cannot be restored ----------------------------------------------------------------------------------------

UNREADABLE = "cannot be read as an image ("
NO_IMAGE = "is no image that can be read, by its content"
MISSING = "No such file or directory"

# (maker of the file, start of the reason)
REFUSED = {
    "cut.jpg": (_cut("JPEG"), UNREADABLE),
    "cut.png": (_cut("PNG"), UNREADABLE),
    "cut.tif": (_cut("TIFF"), UNREADABLE),
    "cut-lzw.tif": (_cut("TIFF", 0.9, compression="tiff_lzw"), NO_IMAGE),  # its directory is at the end
    "damaged-lzw.tif": (_damaged("tiff_lzw"), UNREADABLE),
    "damaged-deflate.tif": (_damaged("tiff_adobe_deflate"), UNREADABLE),
    "cut.webp": (_cut("WEBP"), UNREADABLE),
    "cut.bmp": (_cut("BMP"), UNREADABLE),
    "cut.gif": (_cut("GIF", 0.9), UNREADABLE),
    "header-only.png": (_holding(png(10, 10, 8, 2)), NO_IMAGE),
    "flipped.png": (_holding(png(10, 10, 8, 2, b"\0" * 20)), UNREADABLE),  # fewer pixels than its header says
    "no-pixels.png": (_holding(png(0, 10, 8, 2, b"")), NO_IMAGE),
    "empty.jpg": (Path.touch, "is empty (0 bytes)"),
    "text.png": (_holding(b"no image"), NO_IMAGE),
    "grey16.png": (_holding(png(2, 2, 16, 0, (b"\0" + bytes(4)) * 2)), DEEP),
    "grey-alpha16.png": (_holding(png(2, 2, 16, 4, (b"\0" + bytes(8)) * 2)), DEEP),
    "rgb16.png": (_holding(png(2, 2, 16, 2, (b"\0" + bytes(12)) * 2)), DEEP),
    "rgba16.png": (_holding(png(2, 2, 16, 6, (b"\0" + bytes(16)) * 2)), DEEP),
    "rgb16.ppm": (_holding(b"P6 2 2 65535\n" + bytes(24)), DEEP),
    "grey16.tif": (_holding(_bytes(Image.fromarray(np.zeros((8, 8), np.uint16)), "TIFF")), DEEP),
    "float.tif": (_holding(_bytes(Image.fromarray(np.zeros((8, 8), np.float32)), "TIFF")), DEEP),
    "int32.tif": (_holding(_bytes(Image.fromarray(np.zeros((8, 8), np.int32)), "TIFF")), DEEP),
    "grey16.jp2": (_holding(_bytes(Image.fromarray(np.zeros((64, 64), np.uint16)), "JPEG2000")), DEEP),
    "lab.tif": (_holding(_bytes(Image.new("LAB", (8, 8)), "TIFF")), "has colours in LAB; convert it to RGB first"),
    "x.ico": (
        _holding(_bytes(Image.new("RGB", (160, 120)), "ICO", sizes=[(160, 120)])),
        "cannot be written as ICO (it would have 64×48 pixels)",
    ),
    "moves.gif": (_holding(_frames("GIF")), "holds 3 images"),
    "moves.webp": (_holding(_frames("WEBP")), "holds 3 images"),
    "moves.png": (_holding(_frames("PNG")), "holds 3 images"),
    "pages.tif": (_holding(_frames("TIFF")), "holds 3 images"),
    "x.heic": (_holding(HEIC), NO_IMAGE),
    "heic.jpg": (_holding(HEIC), NO_IMAGE),
    "x.avif": (_holding(HEIC.replace(b"heic", b"avif")), NO_IMAGE),
    "x.psd": (
        _holding(b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 2, 2, 8, 3) + bytes(14) + bytes(12)),
        "is PSD, which can be read and not written",
    ),
    "bomb.png": (_holding(png(60000, 60000, 8, 2, b"")), "has more than 89478485 pixels"),
    "huge-text.png": (_holding(_text_chunk(2**21)), UNREADABLE + "Decompressed data too large"),
    "nowhere.jpg": (lambda file: None, MISSING),
    "dangling.jpg": (_link("nothing"), MISSING),
    "loop.jpg": (_link("loop.jpg"), "Too many levels of symbolic links"),
    "fifo.jpg": (os.mkfifo, "is no regular file"),
    "device.jpg": (_link("/dev/zero"), "is no regular file"),
    "below.png/x.png": (lambda file: file.parent.touch(), "Not a directory"),
    f"{'long' * 80}.jpg": (lambda file: None, "File name too long"),
    "line\nbreak.jpg": (Path.touch, "is empty (0 bytes)"),
    "nowhere\nat all.jpg": (lambda file: None, MISSING),
    "\x1b[31mred\x07.jpg": (_holding(b"no image"), NO_IMAGE),
    "\x1b[31mnowhere.jpg": (lambda file: None, "no file has such a name"),  # a pattern, by its bracket
    "\x1bnowhere.jpg": (lambda file: None, MISSING),
    "\x9bfifo.jpg": (os.mkfifo, "is no regular file"),
    "\u202egpj.exe.jpg": (Path.touch, "is empty (0 bytes)"),  # turns the writing round
    os.fsdecode(b"caf\xe9.jpg"): (Path.touch, "is empty (0 bytes)"),
    os.fsdecode(b"nowhere\xe9.jpg"): (lambda file: None, MISSING),
}


def _named(file):
    """The name of a file in a line."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in str(file))


def _files(folder):
    """The places of all files below a folder."""
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if not file.is_dir())


@pytest.fixture
def good(tmp_path):
    """A good photograph, in a folder of its own."""
    (tmp_path / "beside").mkdir()
    file = tmp_path / "beside/good.png"
    Image.fromarray(pixels(20, 30)).save(file)
    return file


@pytest.fixture
def done(good, network, tmp_path):
    """Asserts that the good photograph is restored, and that beside it there are only the files of these names."""

    def check(*others, folder="out"):
        np.testing.assert_array_equal(pixels_of(tmp_path / folder / "good.png"), whole(network, pixels(20, 30)))
        assert _files(tmp_path / folder) == sorted(["good.png", RECORD, *others])

    return check


@pytest.mark.parametrize(
    "name", [name if name.isascii() else pytest.param(name, marks=any_letter) for name in REFUSED], ids=ascii
)
def test_what_cannot_be_restored_is_one_line_and_the_rest_is_done(name, good, done, theta, tmp_path, capfd):
    make, reason = REFUSED[name]
    make(tmp_path / name)
    assert restore(tmp_path / name, good, "-o", tmp_path / "out", "-n", theta) == 1
    told = capfd.readouterr().err
    assert told.startswith(f"error: {_named(tmp_path / name)}: {reason}")
    assert told.count("\n") == 1
    assert told[:-1].isprintable()
    done()


@any_letter
def test_all_of_a_folder_are_named_whatever_their_number(good, theta, tmp_path):
    """In a process of its own, whose stderr is not that of the tests: also what C libraries and warnings print."""
    made = []
    for name, (make, reason) in REFUSED.items():
        if reason != "File name too long" and "/" not in name and "nowhere" not in name:
            make(good.parent / name)
            made.append(good.parent / name)
    for n in range(12):  # of one kind
        (good.parent / f"{n}.jpg").touch()
        made.append(good.parent / f"{n}.jpg")
    command = [sys.executable, "-m", "derain", "restore", good.parent, "-n", theta, "-o", tmp_path / "out"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "scripts"), "PYTHONIOENCODING": "utf-8"}
    ended = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, encoding="utf-8", check=False)
    assert ended.returncode == 1
    lines = ended.stderr.splitlines()
    starts = sorted(f"error: {_named(file)}: " for file in made)
    assert len(lines) == len(starts)
    assert all(line.startswith(start) for line, start in zip(sorted(lines), starts, strict=True))
    assert _files(tmp_path / "out") == ["good.png", RECORD]


# --- what can be restored -------------------------------------------------------------------------------------------


def _palette(transparent):
    """A palette of 16 colours, one of them transparent."""
    image = Image.fromarray(pixels(16, 20)).quantize(16)
    return _bytes(image, "PNG", **({"transparency": 3} if transparent else {}))


def _rgba():
    return Image.fromarray(np.dstack([pixels(16, 20), pixels(17, 20)[:16, :, 0]]))


# content of a file that is kept exactly: the output is that of its pixels, with its alpha
EXACT = {
    "bit.png": _bytes(Image.fromarray(pixels(16, 20)).convert("1"), "PNG"),
    "grey.png": _bytes(Image.fromarray(pixels(16, 20)).convert("L"), "PNG"),
    "grey-alpha.png": _bytes(_rgba().convert("LA"), "PNG"),
    "grey-key.png": _bytes(_image("L"), "PNG", transparency=40),
    "palette.png": _palette(transparent=False),
    "palette-transparent.png": _palette(transparent=True),
    "colour-key.png": _bytes(_image(), "PNG", transparency=(0, 0, 0)),
    "rgba.png": _bytes(_rgba(), "PNG"),
    "rgba.tif": _bytes(_rgba(), "TIFF"),
    "one.png": _bytes(Image.fromarray(pixels(1, 1)), "PNG"),
    "wide.png": _bytes(Image.fromarray(pixels(10, 20000)), "PNG"),
    "high.png": _bytes(Image.fromarray(pixels(20000, 10)), "PNG"),
    "profile.png": _bytes(_image(), "PNG", icc_profile=b"no profile"),
    "text.png": _text_chunk(2**19),
    "UPPER.PNG": _bytes(_image(), "PNG"),
    "no suffix": _bytes(_image(), "PNG"),
    "png.jpg": _bytes(_image(), "PNG"),
    "png.txt": _bytes(_image(), "PNG"),
    os.fsdecode(b"caf\xe9.png"): _bytes(_image(), "PNG"),
    "new\nline \x1b[31m.png": _bytes(_image(), "PNG"),
    "[x]*.png": _bytes(_image(), "PNG"),
    "pages.tif": _bytes(_image(), "TIFF", save_all=True),  # one page
    "fax.tif": _bytes(_image("1"), "TIFF", compression="group4"),
    "lossless.webp": _bytes(_image(), "WEBP", lossless=True),
    "lossless-profile.webp": _bytes(_image(), "WEBP", lossless=True, icc_profile=b"of odd length"),
    "lossless-alpha.webp": _bytes(_rgba(), "WEBP", lossless=True, exact=True),
    "x.jp2": _bytes(_image(), "JPEG2000"),
}


def _restores(name, content, good, done, theta, folder, capfd):
    """A file is restored beside a good one, without a line."""
    (folder / name).write_bytes(content)
    assert restore(folder / name, good, "-o", folder / "out", "-n", theta) == 0
    assert capfd.readouterr().err == ""
    done(name)


@pytest.mark.parametrize("name", EXACT, ids=ascii)
def test_what_is_odd_and_whole_is_restored(name, network, good, done, theta, tmp_path, capfd):
    _restores(name, EXACT[name], good, done, theta, tmp_path, capfd)
    with Image.open(tmp_path / name) as before, Image.open(tmp_path / "out" / name) as after:
        assert after.format == before.format  # by the content, whatever the suffix is
        expected = Image.fromarray(whole(network, np.asarray(before.convert("RGB"))))
        if before.mode in ("1", "L", "LA"):
            expected = expected.convert("L").convert("RGB")
        tiles = 1 if max(before.size) > 1000 else 0  # between them, roundings differ
        np.testing.assert_allclose(np.asarray(after.convert("RGB")), np.asarray(expected).astype(int), 0, tiles)
        alpha = [each.convert("RGBA").getchannel("A").tobytes() for each in (before, after)]
        assert alpha[0] == alpha[1]
        assert after.info.get("icc_profile") == before.info.get("icc_profile")


def test_palette_and_keys_have_transparent_pixels():
    """Otherwise the test above would not see whether they are kept."""
    for name in ("palette-transparent.png", "colour-key.png", "grey-key.png"):
        with Image.open(io.BytesIO(EXACT[name])) as image:
            assert image.convert("RGBA").getchannel("A").getextrema() == (0, 255)


def _jpeg(mode="RGB", **options):
    return _bytes(_image(mode), "JPEG", quality=95, **options)


# content of a file with losses: the output is nearly that of its pixels
NEARLY = {
    "grey.jpg": _jpeg("L"),
    "cmyk.jpg": _jpeg("CMYK", icc_profile=b"of four inks"),
    "progressive.jpg": _jpeg(progressive=True),
    "profile-cut.jpg": _jpeg(icc_profile=b"no profile").replace(b"ICC_PROFILE\0\x01\x01", b"ICC_PROFILE\0\x01\x09"),
    "no-exif.jpg": _exif(b"garbage"),
    "empty-exif.jpg": _exif(b""),
    "exif-cut.jpg": _exif(b"II*\0\x08\0\0\0\xff\xff"),
    "exif-beyond.jpg": _exif(b"II*\0\xff\xff\xff\x7f"),
    "exif-99.jpg": _exif(_orientation(b"\0\x63\0\0")),
    "exif-text.jpg": _exif(_orientation(b"6\0\0\0", kind=2, count=2)),
    "jpeg.png": _jpeg(),
    "UPPER.JPEG": _jpeg(),
    "tail.jpg": _jpeg() + b"what other programs add",
    "rgba.webp": _bytes(_image("RGBA"), "WEBP", quality=95),
    "still.gif": _bytes(_image(), "GIF"),
    "jpeg.tif": _bytes(_image(), "TIFF", compression="jpeg", quality=95),
}


def _difference(found, expected):
    return np.abs(found.astype(float) - expected).mean()


@pytest.mark.parametrize("name", NEARLY)
def test_what_is_odd_and_has_losses_is_nearly_restored(name, network, good, done, theta, tmp_path, capfd):
    _restores(name, NEARLY[name], good, done, theta, tmp_path, capfd)
    with Image.open(tmp_path / name) as before, Image.open(tmp_path / "out" / name) as after:
        assert after.format == before.format
        assert after.mode == {"CMYK": "RGB"}.get(before.mode, before.mode)
        expected = whole(network, np.asarray(before.convert("RGB")))
        if before.mode == "L":
            expected = np.asarray(Image.fromarray(expected).convert("L").convert("RGB"))
        assert _difference(np.asarray(after.convert("RGB")), expected) < 4
        profile = None if before.mode == "CMYK" else before.info.get("icc_profile")  # of four inks, in an RGB file
        assert after.info.get("icc_profile") == profile


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_comes_out_upright_and_is_not_applied_again(kind, orientation, network, theta, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / "p.x"
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    file.write_bytes(_bytes(_image(), kind, exif=exif, **options))
    assert restore(file, "-o", tmp_path / "out", "-n", theta) == 0
    turned = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)  # of Image.Transpose, by the standard
    upright = _image() if turned is None else _image().transpose(Image.Transpose(turned))
    with Image.open(tmp_path / "out/p.x") as after:
        found = np.asarray(after.convert("RGB"))
        assert after.getexif().get(0x0112, 1) == 1
        np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(after).convert("RGB")), found)
    expected = whole(network, np.asarray(upright))
    assert _difference(found, expected) < {"PNG": 1e-9, "TIFF": 1e-9}.get(kind, 4)


def test_a_picture_of_a_telephone_with_a_second_one_behind_it_becomes_a_jpeg_of_the_first(network, theta, tmp_path):
    first, second = _image(), Image.new("RGB", (8, 8))
    first.save(tmp_path / "p.jpg", "MPO", save_all=True, append_images=[second], quality=95)
    with Image.open(tmp_path / "p.jpg") as before:
        assert (before.format, before.n_frames) == ("MPO", 2)
        pixels = np.asarray(before.convert("RGB"))
    assert restore(tmp_path / "p.jpg", "-o", tmp_path / "out", "-n", theta) == 0
    with Image.open(tmp_path / "out/p.jpg") as after:
        assert after.format == "JPEG"
        assert _difference(np.asarray(after), whole(network, pixels)) < 4


TIFF_EXIF = {0x010F: "camera", 0x0132: "2020:01:01 00:00:00", 0x013B: "somebody", 0x9C9B: b"t\0"}


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "packbits", "jpeg"])
def test_the_exif_and_the_compression_of_a_tiff_stay(compression, theta, tmp_path):
    exif = Image.Exif()
    exif.update(TIFF_EXIF | {0x0112: 6})  # to be turned by 90°
    (tmp_path / "p.tif").write_bytes(_bytes(_image(), "TIFF", exif=exif.tobytes(), compression=compression))
    assert restore(tmp_path / "p.tif", "-o", tmp_path / "out", "-n", theta) == 0
    with Image.open(tmp_path / "out/p.tif") as after:
        assert (after.size, after.info["compression"]) == ((40, 60), compression)
        found = after.getexif()
        assert {tag: found.get(tag) for tag in TIFF_EXIF} == TIFF_EXIF
        assert 0x0112 not in found


def test_the_directories_in_the_exif_of_a_compressed_tiff_stay(network, theta, tmp_path):
    """Pillow cannot write them into a compressed file: here the bytes are compressed by hand."""
    exif, camera, place = Image.Exif(), {0x829A: 0.01, 0x927C: b"note"}, {1: "N", 2: (50.0, 1.0, 2.0)}
    exif.update({0x010F: "camera", 0x8769: camera | {0xA005: {1: "R98"}}, 0x8825: place})
    content, raw = _bytes(_image(), "TIFF", exif=exif.tobytes()), _image().tobytes()
    assert content.endswith(raw)
    packed = b"".join(b"\x59" + raw[start : start + 90] for start in range(0, len(raw), 90))  # 90 bytes as they are
    for entry, value in (((259, 3, 1, 1), 32773), ((279, 4, 1, len(raw)), len(packed))):
        before, after = (struct.pack("<HHLL", *entry[:3], each) for each in (entry[3], value))
        assert content.count(before) == 1
        content = content.replace(before, after)
    (tmp_path / "p.tif").write_bytes(content.removesuffix(raw) + packed)
    with Image.open(tmp_path / "p.tif") as image:
        assert image.info["compression"] == "packbits"
    assert restore(tmp_path / "p.tif", "-o", tmp_path / "out", "-n", theta) == 0
    np.testing.assert_array_equal(pixels_of(tmp_path / "out/p.tif"), whole(network, np.asarray(_image())))
    with Image.open(tmp_path / "out/p.tif") as after:
        found = after.getexif()
        assert found[0x010F] == "camera"
        assert (found.get_ifd(0x8769), found.get_ifd(0x8825)) == (camera, place)


def test_jpeg_in_a_tiff_has_the_stated_quality(theta, tmp_path):
    (tmp_path / "p.tif").write_bytes(_bytes(_image(), "TIFF", compression="jpeg", quality=30))
    assert restore(tmp_path / "p.tif", "-o", tmp_path / "out", "-n", theta) == 0
    tables = 347  # tag: the quantisation
    stated = _bytes(_image(), "TIFF", compression="jpeg", quality=pictures.QUALITY)
    with Image.open(tmp_path / "out/p.tif") as after, Image.open(io.BytesIO(stated)) as expected:
        assert after.tag_v2[tables] == expected.tag_v2[tables]


def test_exif_that_cannot_be_written_again_still_turns_the_photograph(network, theta, tmp_path):
    """A tag that Pillow reads and cannot write: a number of 32 bits, whose value is text."""
    two = b"MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\x01\0\0\x02\0\0\0\x02x\0\0\0" + bytes(4)
    (tmp_path / "p.jpg").write_bytes(_exif(two))
    assert restore(tmp_path / "p.jpg", "-o", tmp_path / "out", "-n", theta) == 0
    found = pixels_of(tmp_path / "out/p.jpg")
    assert _difference(found, whole(network, np.asarray(_image().transpose(Image.Transpose.ROTATE_270)))) < 4
    with Image.open(tmp_path / "out/p.jpg") as after:
        assert not after.getexif().get(0x0112)


# --- names and places -----------------------------------------------------------------------------------------------


def test_a_folder_is_named_like_a_photograph_and_holds_one(good, done, theta, tmp_path):
    good.parent.rename(tmp_path / "x.jpg")
    assert restore(tmp_path / "x.jpg", "-o", tmp_path / "out", "-n", theta) == 0
    done()


def test_a_folder_within_a_folder_is_named_like_a_photograph(good, done, theta, tmp_path):
    (good.parent / "x.jpg").mkdir()
    assert restore(good.parent, "-o", tmp_path / "out", "-n", theta) == 0
    done()


def test_a_folder_without_photographs_is_one_line(good, done, theta, tmp_path, capfd):
    (tmp_path / "none").mkdir()
    (tmp_path / "none/list.txt").touch()
    assert restore(tmp_path / "none", good, "-o", tmp_path / "out", "-n", theta) == 1
    assert capfd.readouterr().err == f"error: {tmp_path}/none: has no file with the suffix of an image\n"
    done()


@pytest.mark.parametrize("name", ["", "*.tif", "**/\x07*.jpg"], ids=ascii)
def test_what_names_nothing_is_one_line(name, good, done, theta, tmp_path, capfd):
    assert restore(name, good, "-o", tmp_path / "out", "-n", theta) == 1
    assert capfd.readouterr().err == f"error: {_named(name) or repr(name)}: no file has such a name\n"
    done()


def test_one_stem_in_two_formats_is_two_photographs(good, done, theta, tmp_path):
    (good.parent / "good.jpg").write_bytes(_jpeg())
    assert restore(good.parent, "-o", tmp_path / "out", "-n", theta) == 0
    done("good.jpg")


def test_one_place_from_two_folders_is_one_line(good, done, theta, tmp_path, capfd):
    (tmp_path / "second").mkdir()
    (tmp_path / "second/good.png").write_bytes(EXACT["rgba.png"])
    assert restore(good.parent, tmp_path / "second", "-o", tmp_path / "out", "-n", theta) == 1
    assert capfd.readouterr().err == (
        f"error: {tmp_path}/second/good.png: its output good.png is that of {good}, too; restore them into different "
        "folders\n"
    )
    done()


@pytest.mark.parametrize("name", ["beside", "beside/*", "beside/**", "beside/**/*.png"])
def test_outputs_below_the_inputs_are_not_restored_again(name, good, done, theta, tmp_path, capfd):
    for _ in range(2):
        assert restore(tmp_path / name, "-o", good.parent / "out", "-n", theta) == 0
        assert capfd.readouterr().err == ""
        done(folder="beside/out")


def test_a_file_that_a_pattern_names_within_its_folder_too_is_restored_once(photos, theta, tmp_path):
    assert restore(photos / "**", "-o", tmp_path / "out", "-n", theta) == 0
    assert _files(tmp_path / "out") == ["a.png", "c.jpg", "more/b.png", RECORD]


def test_links_to_folders_are_followed_once_around(good, done, theta, tmp_path, capfd):
    """One to a folder elsewhere, and two in a circle."""
    for name, target in (("beside/linked", "../elsewhere"), ("beside/up", "."), ("elsewhere/back", "../beside")):
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(target)
    (tmp_path / "elsewhere/x.png").write_bytes(EXACT["rgba.png"])
    assert restore(good.parent, "-o", tmp_path / "out", "-n", theta) == 0
    assert capfd.readouterr().err == ""
    done("linked/x.png")


@pytest.mark.parametrize("named", ["beside", "beside/**/*.png"])
@pytest.mark.parametrize("link", ["beside/up", "elsewhere/deep/up"])
def test_a_link_to_a_folder_that_contains_it_is_not_followed(link, named, good, done, theta, tmp_path, capfd):
    """One to a folder above the named one, and one that is reached by a link."""
    for file in ("other/b.png", "elsewhere/b.png", "elsewhere/deep/x.png"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(EXACT["rgba.png"])
    (tmp_path / "beside/linked").symlink_to("../elsewhere/deep")
    (tmp_path / link).symlink_to("..")
    assert restore(tmp_path / named, "-o", tmp_path / "out", "-n", theta) == 0
    assert capfd.readouterr().err == ""
    done("linked/x.png" if named == "beside" else "x.png")


def test_a_link_upwards_that_is_named_itself_is_followed(good, done, theta, tmp_path):
    (tmp_path / "beside/inner").mkdir()
    (tmp_path / "beside/inner/up").symlink_to("..")
    for n, named in enumerate(("beside/inner/up", "beside/inner/up/*.png", "beside/inner/up/**/*.png")):
        assert restore(tmp_path / named, "-o", tmp_path / f"out{n}", "-n", theta) == 0
        done(folder=f"out{n}")


@pytest.mark.parametrize("name", [RECORD, "x.partial"])
def test_a_photograph_with_the_name_of_a_file_of_the_program_is_one_line(name, good, done, theta, tmp_path, capfd):
    (tmp_path / name).write_bytes(EXACT["rgba.png"])
    assert restore(tmp_path / name, good, "-o", tmp_path / "out", "-n", theta) == 1
    assert capfd.readouterr().err == f"error: {tmp_path}/{name}: has the name of a file of this program; rename it\n"
    done()


# --- what happens meanwhile -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", [(folder, "restoration"), (pictures, "read")], ids=["listed", "digested"])
def test_a_photograph_that_vanishes_is_one_line(moment, good, done, theta, tmp_path, capfd, monkeypatch):
    (tmp_path / "brief.png").write_bytes(EXACT["rgba.png"])
    then = getattr(*moment)

    def vanish(*arguments):
        (tmp_path / "brief.png").unlink(missing_ok=True)
        return then(*arguments)

    monkeypatch.setattr(*moment, vanish)
    assert restore(tmp_path / "brief.png", good, "-o", tmp_path / "out", "-n", theta) == 1
    told = capfd.readouterr().err
    assert told.startswith(f"error: {tmp_path}/brief.png: ")
    assert told.count("\n") == 1
    assert MISSING in told
    done()


def _failing(call, name, error):
    """The call, with an error for files of this name."""

    def instead(path, *arguments, **options):
        if Path(path).name == name:
            raise error
        return call(path, *arguments, **options)

    return instead


@pytest.mark.parametrize("call", ["open", "scandir"])
def test_what_may_not_be_read_is_one_line(call, good, done, theta, tmp_path, capfd, monkeypatch):
    """Root may read everything, so the system call is made to fail."""
    closed = good.parent / ("closed.png" if call == "open" else "closed")
    (closed.touch if call == "open" else closed.mkdir)()
    refused = PermissionError(errno.EACCES, "Permission denied", str(closed))
    monkeypatch.setattr(os, call, _failing(getattr(os, call), closed.name, refused))
    assert restore(good.parent, "-o", tmp_path / "out", "-n", theta) == 1
    assert capfd.readouterr().err == f"error: {closed}: Permission denied\n"
    done()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("[enforce fail] can't allocate memory: 9 bytes")])
def test_a_photograph_that_does_not_fit_into_memory_is_one_line(error, good, done, theta, tmp_path, capfd, monkeypatch):
    (tmp_path / "large.png").write_bytes(EXACT["rgba.png"])
    monkeypatch.setattr(pictures, "read", _failing(pictures.read, "large.png", error))
    assert restore(tmp_path / "large.png", good, "-o", tmp_path / "out", "-n", theta) == 1
    assert capfd.readouterr().err == f"error: {tmp_path}/large.png: does not fit into memory\n"
    done()


# --- output folders -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("file", "is there already and is no folder"),
        ("file/below", "cannot be made (Not a directory)"),
        ("dangling", "is there already and is no folder"),
        ("loop", "is there already and is no folder"),
        ("/proc/derain", "cannot be made (No such file or directory)"),
        ("o" * 300, "cannot be made (File name too long)"),
    ],
)
def test_a_wrong_output_folder_is_one_line(out, reason, good, theta, tmp_path, capfd):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "loop").symlink_to("loop")
    before = _files(tmp_path)
    assert restore(good, "-o", tmp_path / out, "-n", theta) == 1
    assert capfd.readouterr().err == f"error: {tmp_path / out}: {reason}\n"
    assert _files(tmp_path) == before
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda file: os.symlink("nothing", file)])
def test_an_output_that_is_no_file_is_one_line_and_stays(make, good, done, theta, tmp_path, capfd):
    (tmp_path / "odd.png").write_bytes(EXACT["rgba.png"])
    (tmp_path / "out").mkdir()
    make(tmp_path / "out/odd.png")
    kind = (tmp_path / "out/odd.png").lstat().st_mode
    assert restore(tmp_path / "odd.png", good, "-o", tmp_path / "out", "-n", theta) == 1
    assert capfd.readouterr().err == f"error: {tmp_path}/out/odd.png: is there already and is no regular file\n"
    assert (tmp_path / "out/odd.png").lstat().st_mode == kind
    done(*([] if make is os.mkdir else ["odd.png"]))


def test_a_record_that_is_no_file_is_one_line(good, theta, tmp_path, capfd):
    (tmp_path / "out").mkdir()
    os.mkfifo(tmp_path / "out" / RECORD)
    assert restore(good, "-o", tmp_path / "out", "-n", theta) == 1
    assert capfd.readouterr().err == f"error: {tmp_path}/out/{RECORD}: is there already and is no regular file\n"
    assert _files(tmp_path / "out") == [RECORD]


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_an_output_folder_that_may_not_be_written_into_is_one_line(
    code, photos, good, theta, tmp_path, capfd, monkeypatch
):
    refused = OSError(code, os.strerror(code), str(tmp_path / "out" / RECORD))
    monkeypatch.setattr(Path, "open", _failing(Path.open, RECORD, refused))
    assert restore(photos, good, "-o", tmp_path / "out", "-n", theta) == 1
    assert capfd.readouterr().err == f"error: {tmp_path}/out/{RECORD}: {os.strerror(code)}\n"
    assert _files(tmp_path / "out") == []


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_an_output_that_may_not_be_written_is_one_line(code, good, done, theta, tmp_path, capfd, monkeypatch):
    (tmp_path / "odd.png").write_bytes(EXACT["rgba.png"])
    refused = OSError(code, os.strerror(code), str(tmp_path / "out/odd.png.partial"))
    monkeypatch.setattr(Path, "open", _failing(Path.open, "odd.png.partial", refused))
    assert restore(tmp_path / "odd.png", good, "-o", tmp_path / "out", "-n", theta) == 1
    assert capfd.readouterr().err == (
        f"error: {tmp_path}/odd.png: {os.strerror(code)} ({tmp_path}/out/odd.png.partial)\n"
    )
    done()


@pytest.mark.parametrize("full", ["output", "record"])
def test_a_full_disk_is_one_line_and_what_is_complete_stays(
    full, photos, good, done, theta, tmp_path, capfd, monkeypatch
):
    """The photograph after the good one finds the disk full: when its output is flushed, or in the record."""
    name = "a.png.partial" if full == "output" else RECORD
    opened, calls = Path.open, []

    def filling(path, mode="r", **options):
        if path.name == name and mode in ("a", "xb"):
            calls.append(path)
            if full == "output" or len(calls) == 2:
                return opened(Path("/dev/full"), mode.replace("x", "w"), **options)
        return opened(path, mode, **options)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "open", filling)
        assert restore(good, photos, "-o", tmp_path / "out", "-n", theta) == 1
    place = tmp_path / "out" / ("a.png" if full == "output" else RECORD)
    assert capfd.readouterr().err == (
        f"error: {place}: the disk is full (No space left on device); free some space and run again, nothing done is "
        "lost\n"
    )
    done()
    assert restore(good, photos, "-o", tmp_path / "out", "-n", theta) == 0
    done("a.png", "c.jpg", "more/b.png")
