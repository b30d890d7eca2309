"""Damaged and odd files: each is handled as docs/reference/datasets.md says, or named with its file in one line."""

import os

import numpy as np
import pytest
import tifffile
from commandline import snakemake
from derain.data.images import MAX_PIXELS, read_rgb
from PIL import Image
from trees import BAD, any_letter, handled, photograph, png, rainy, refused, write, write_pairs

ORIENTATION = 0x0112


def cut_short(path, keep=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


def test_truncated_png(tree, check):
    cut_short(tree / BAD)
    refused(check(), BAD, "cannot be read as an image")


def test_truncated_jpeg(tree, check):
    (tree / BAD).unlink()
    cut_short(write(tree / "train/rain/3.jpg", rainy(3)), 0.7)
    refused(check(), "train/rain/3.jpg", "truncated")


def zero_tail(path, keep):
    """As a copy that was interrupted leaves it, if the space was allocated before."""
    content = path.read_bytes()
    kept = int(len(content) * keep)
    path.write_bytes(content[:kept] + bytes(len(content) - kept))


def noisy(number):
    """rainy(number) with noise, so that its pixels fill a file to the end."""
    noise = np.random.default_rng(number).integers(-9, 9, (40, 56, 3))
    return np.clip(rainy(number) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("keep", [0.5, 0.9, 0.99])
def test_png_with_a_tail_of_zeros(tree, check, keep):
    write(tree / BAD, noisy(3), compress_level=1)
    zero_tail(tree / BAD, keep)
    refused(check(), BAD, "cannot be read as an image")


@pytest.mark.parametrize("keep", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": b"Exif\0\0 a preview \xff\xd8 \xff\xd9"}])
def test_jpeg_with_a_tail_of_zeros(tree, check, keep, options):
    (tree / BAD).unlink()
    path = write(tree / "train/rain/3.jpg", noisy(3), quality=95, **options)
    sound = path.read_bytes()
    zero_tail(path, keep)
    refused(check(), "train/rain/3.jpg")
    path.write_bytes(sound + bytes(100))  # behind the end, zeros are no damage
    assert check().errors == []


def test_zero_bytes(tree, check):
    (tree / BAD).write_bytes(b"")
    refused(check(), BAD, "is empty")


def test_text_called_png(tree, check):
    (tree / BAD).write_text("no picture")
    refused(check(), BAD, "is no image")


def test_wrong_extension_is_read_by_content(tree, check):
    write(tree / BAD, rainy(3), format="BMP")
    handled(check(), BAD, "is BMP by its content")


def test_decompression_bomb(tree, check):
    side = int(MAX_PIXELS**0.5) + 100
    (tree / BAD).write_bytes(png(side, side, 8, 2, b"\0"))
    refused(check(), BAD, "decompression bomb")


def test_one_pixel(tree, check):
    for side in ("rain", "norain"):
        write(tree / "test" / side / "11.png", np.full((1, 1, 3), 7 if side == "rain" else 9, np.uint8))
    refused(check(), "test/rain/11.png", "1×1", "11×11")


def test_cmyk_jpeg_is_converted(tree, check):
    (tree / BAD).unlink()
    write(tree / "train/rain/3.jpg", Image.fromarray(rainy(3)).convert("CMYK"))
    handled(check(), "train/rain/3.jpg", "CMYK")


def test_palette_png_is_converted(tree, check):
    write(tree / BAD, Image.fromarray(rainy(3)).convert("P", palette=Image.Palette.ADAPTIVE))
    handled(check(), BAD, "palette")


def test_16_bit_grey_png(tree, check):
    write(tree / BAD, Image.fromarray(rainy(3)[..., 0].astype(np.uint16) * 257))
    refused(check(), BAD, "more than 8 bits")


def test_16_bit_rgb_png(tree, check):
    pixels = rainy(3).astype(">u2") * 257
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    (tree / BAD).write_bytes(png(pixels.shape[1], pixels.shape[0], 16, 2, lines))
    refused(check(), BAD, "more than 8 bits")


def test_16_bit_planar_tiff(tree, check):
    """Pillow decodes it to 8 bits without a word."""
    (tree / BAD).unlink()
    tifffile.imwrite(
        tree / "train/rain/3.tif",
        rainy(3).transpose(2, 0, 1).astype(np.uint16) * 257,
        photometric="rgb",
        planarconfig="separate",
    )
    refused(check(), "train/rain/3.tif", "more than 8 bits")


def test_grey_is_read_as_rgb(tree, check):
    write(tree / BAD, Image.fromarray(rainy(3)).convert("L"))
    handled(check(), BAD, "is grey")
    assert np.ptp(read_rgb(tree / BAD), axis=2).max() == 0


def test_opaque_alpha_is_left_out(tree, check):
    write(tree / BAD, Image.fromarray(rainy(3)).convert("RGBA"))
    handled(check(), BAD, "alpha")
    assert np.array_equal(read_rgb(tree / BAD), rainy(3))


def test_transparent_alpha(tree, check):
    image = Image.fromarray(rainy(3)).convert("RGBA")
    image.putpixel((4, 4), (0, 0, 0, 128))
    write(tree / BAD, image)
    refused(check(), BAD, "transparent")


@pytest.mark.parametrize("extension", ["gif", "webp"])
def test_animated(tree, check, extension):
    (tree / BAD).unlink()
    frames = [Image.fromarray(rainy(3, rain)) for rain in range(3)]
    file = f"train/rain/3.{extension}"
    write(tree / file, frames[0], save_all=True, append_images=frames[1:])
    refused(check(), file, "3 pictures (animated?)")


def exif(orientation):
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return {"exif": tags.tobytes()}


def test_exif_rotated_partner_of_an_upright_one_is_turned(tree, check):
    write(tree / BAD, np.rot90(rainy(3)).copy(), **exif(6))  # shown turned by 90° clockwise, which is upright
    found = check()
    assert found.errors == []
    assert {"turned upright by its EXIF tag"} <= {finding.text for finding in found.findings["d"]}
    assert np.array_equal(read_rgb(tree / BAD), rainy(3))


def test_exif_tag_on_one_of_two_stored_alike(tree, check):
    write(tree / BAD, rainy(3), **exif(6))
    refused(check(), BAD, "transposed", "EXIF")


@pytest.mark.parametrize("pair", [(rainy, 3), (photograph, 3)], ids=["rainy", "clean"])
def test_exif_tag_that_turns_one_of_two_stored_alike_upside_down(tree, check, pair):
    picture, number = pair
    file = BAD if picture is rainy else "train/norain/3.png"
    write(tree / file, picture(number), **exif(3))
    refused(
        check(), BAD, f"only {file} is turned by its EXIF tag, and without that they fit better", "exclude the pair"
    )


def test_exif_tag_that_turns_one_of_a_square_pair(tree, check):
    write(tree / "train/norain/3.png", photograph(3, 40, 40))
    write(tree / BAD, rainy(3, 0, 40, 40), **exif(6))
    refused(check(), BAD, "without that they fit better")
    write(tree / BAD, np.rot90(rainy(3, 0, 40, 40)).copy(), **exif(6))  # stored otherwise, and turned upright
    found = check()
    assert found.errors == [] and any("once turned, they fit" in str(finding) for finding in found.findings["d"])


@pytest.mark.parametrize("orientation", [0, 1, 9, 255])
def test_exif_orientations_that_turn_nothing(tree, check, orientation):
    write(tree / BAD, rainy(3), **exif(orientation))
    found = check()
    assert found.errors == [] and found.findings["d"] == []
    assert np.array_equal(read_rgb(tree / BAD), rainy(3))


@pytest.mark.parametrize("extension", ["png", "webp", "jpg"])
@pytest.mark.parametrize("damage", [b"Exif\0\0", b"Exif\0\0JUNKJUNKJUNK", exif(6)["exif"][:14], exif(6)["exif"][:20]])
def test_damaged_exif_does_no_harm_to_sound_pixels(tree, check, extension, damage):
    (tree / BAD).unlink()
    file, options = tree / f"train/rain/3.{extension}", {"lossless": True} if extension == "webp" else {}
    sound = read_rgb(write(file, rainy(3), **options))
    write(file, rainy(3), exif=damage, **options)
    assert check().errors == []
    assert np.array_equal(read_rgb(file), sound)


def test_folder_called_png_is_passed_over(tree, check):
    (tree / "train/rain/7.png").mkdir()
    handled(check(), "train/rain/7.png", "is a folder")


def test_dangling_link(tree, check):
    (tree / "train/rain/7.png").symlink_to(tree / "gone.png")
    refused(check(), "train/rain/7.png", "leads nowhere")


def test_links_in_a_circle(tree, check):
    (tree / "train/rain/7.png").symlink_to(tree / "train/rain/7.png")
    (tree / "train/rain/loop").symlink_to(tree / "train")  # a folder within itself does no harm
    refused(check(), "train/rain/7.png", "leads nowhere")


@pytest.mark.parametrize("what", [BAD, "train/rain"])
def test_unreadable(tree, check, what, monkeypatch):
    """As root nothing is unreadable, so the refusal is simulated where the files are opened."""
    from derain.data import images, matching

    def forbid(opened, raising):
        def guarded(path, *args, **kwargs):
            if os.fspath(path) == str(tree / what):
                raise PermissionError(13, "Permission denied", os.fspath(path))
            return opened(path, *args, **kwargs)

        monkeypatch.setattr(raising, opened.__name__, guarded)

    forbid(images.Image.open, images.Image)
    forbid(matching.os.scandir, matching.os)
    found = check()
    assert any(what in line and "Permission denied" in line for line in found.errors)
    assert not any("Traceback" in line for line in found.errors)


@pytest.mark.parametrize(
    ("letter", "escaped", "words"),
    [
        ("\n", r"\n", "the unprintable character U+000A (control character); rename it"),
        pytest.param("\u00a0", r"\xa0", "the unprintable character U+00A0 (NO-BREAK SPACE)", marks=any_letter),
        pytest.param("\u200b", r"\u200b", "the unprintable character U+200B (ZERO WIDTH SPACE)", marks=any_letter),
        ("\udcff", r"\udcff", "bytes that are not UTF-8; rename it"),
    ],
)
def test_name_with_an_unprintable_character(tree, check, letter, escaped, words):
    write(tree / "train/rain/9.png", rainy(9)).rename(tree / f"train/rain/a{letter}b.png")
    refused(check(), f"train/rain/a{escaped}b.png", words)


@any_letter
def test_non_ascii_and_spaces_are_fine(tree, check):
    write_pairs(tree / "train", [9], "rain/ä ö — {}.png", "norain/ä ö — {}.png")
    found = check()
    assert found.errors == [] and len(found.manifest["d"]) == 9


@pytest.mark.slow
@pytest.mark.parametrize("listed", [False, True])
def test_letters_that_the_locale_lacks_are_told_with_what_to_do(tree, tmp_path, monkeypatch, listed):
    for side in ("rain", "norain"):
        os.rename(tree / f"train/{side}/3.png", os.fsencode(tree / "train" / side) + "/3ä.png".encode())
    section = {"layout": "rain-norain", "root": str(tree)}
    if listed:
        names = [f"train/rain/{n}.png train/norain/{n}.png" for n in (1, 2, "3ä", 4, 5, 6)]
        (tree / "train.txt").write_text("\n".join(names), encoding="utf-8")
        section |= {"train": {"list": "train.txt"}}
    config = {
        "orders": [["d"]],
        "datasets": {"d": section},
        "networks": {"net": {"backbone": "prenet", "stages": 1, "channels": 4, "blocks": 1}},
        "methods": {"finetune": {}},
        "training": {"patch": 16, "steps": 1, "batch": 2},
    }
    for name, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}.items():
        monkeypatch.setenv(name, value)
    run = snakemake(tmp_path / "run", config, "-n", "check")
    assert run.returncode == 1 and "Traceback" not in run.stderr
    errors = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert errors and all("this locale (ascii) lacks; run with PYTHONUTF8=1" in line for line in errors), run.stderr
    monkeypatch.setenv("PYTHONUTF8", "1")
    run = snakemake(tmp_path / "run", config, "-n", "check")
    assert run.returncode == 0, run.stderr


def test_all_faults_in_one_pass(tree, check):
    cut_short(tree / BAD)
    (tree / "train/rain/4.png").write_text("no picture")
    (tree / "train/norain/5.png").unlink()
    (tree / "test/rain/11.png").write_bytes(b"")
    files = [line.split(": ")[1] for line in check().errors]
    assert sorted(files) == ["test/rain/11.png", BAD, "train/rain/4.png", "train/rain/5.png"]


def test_nothing_is_written_to_the_dataset(tree, check):
    before = sorted((path, path.lstat().st_mtime_ns) for path in tree.rglob("*"))
    check()
    assert sorted((path, path.lstat().st_mtime_ns) for path in tree.rglob("*")) == before
