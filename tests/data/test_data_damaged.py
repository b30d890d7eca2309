"""Damaged and odd input: each is handled as docs/reference/datasets.md says, or named with its file in one line."""

import os
import struct
import zlib

import numpy as np
import pytest
import tifffile
from commandline import snakemake
from derain.data.findings import ERROR, WARNING
from derain.data.images import MAX_PIXELS, read_rgb
from PIL import Image
from trees import any_letter, counts, photograph, rainy, write, write_pairs

ORIENTATION = 0x0112


@pytest.fixture
def tree(root):
    """Sound pairs: six to train on, two to test on."""
    write_pairs(root / "train", range(1, 7))
    write_pairs(root / "test", range(11, 13))
    return root


@pytest.fixture
def check(tree, look):
    """check(**section keys) → what the workflow finds in the tree."""
    return lambda **section: look({"d": {"layout": "rain-norain", "root": str(tree)} | section})


def refused(found, file, *words):
    """One line names the file, nothing else is refused, and no manifest is left to be packed."""
    (line,) = found.errors
    assert line.startswith("datasets.d: ") and file in line and all(word in line for word in words), line
    assert found.manifest == {}
    assert [finding.file for finding in found.findings["d"] if finding.severity == ERROR] == [file]


def handled(found, *words):
    """Nothing is refused, and one notice tells what was done."""
    assert found.errors == []
    (notice,) = found.findings["d"]
    assert all(word in str(notice) for word in words), str(notice)
    assert len(found.manifest["d"]) == 8


def cut_short(path, keep=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


BAD = "train/rain/3.png"


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

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    (tree / BAD).write_bytes(content)
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

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = pixels.shape[:2]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    (tree / BAD).write_bytes(b"\x89PNG\r\n\x1a\n" + content)
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


def test_rainy_images_of_a_list_that_slipped_by_a_line(tree, check, capsys):
    write_pairs(tree / "train", [7])
    lines = [f"train/rain/{n}.png train/norain/{n + (n > 3)}.png" for n in range(1, 7)]
    found = check(**listed(tree, lines))
    assert found.errors == []
    odd = {finding.file: finding.text for finding in found.findings["d"] if finding.severity == WARNING}
    text = "looks like train/norain/{}.png, and not like its clean partner train/norain/{}.png"
    # The clean image 4 is in no pair, so nothing can be said about the rainy image 4.
    assert odd == {f"train/rain/{n}.png": text.format(n, n + 1) for n in (5, 6)}
    assert "warning: datasets.d: 2 rainy images look like the clean image of another pair" in capsys.readouterr().err
    right = check(**listed(tree, rows(range(1, 7))))
    assert right.errors == [] and right.findings["d"] == []


def test_pair_of_different_size(tree, check):
    write(tree / BAD, rainy(3)[:-1])
    refused(check(), BAD, "56×39", "56×40")


def test_transposed_pair(tree, check):
    write(tree / BAD, rainy(3).transpose(1, 0, 2))
    refused(check(), BAD, "40×56", "56×40", "transposed")


def test_missing_clean_partner(tree, check):
    (tree / "train/norain/3.png").unlink()
    refused(check(), BAD, "has no clean partner train/norain/3")


def test_missing_rainy_partner_is_passed_over(tree, check):
    write(tree / "train/norain/99.png", photograph(99))
    handled(check(), "train/norain/99.png", "has no rainy partner")


def test_two_clean_partners(tree, check):
    write(tree / "train/norain/3.bmp", photograph(3))
    refused(check(), "train/norain/3.png", "has the same scene and rain as train/norain/3.bmp")


def test_duplicate_stems_with_two_extensions(tree, check):
    write(tree / "train/rain/3.jpg", rainy(3))
    refused(check(), BAD, "has the same scene and rain as train/rain/3.jpg")
    assert check(exclude=["*/3.jpg"]).errors == []


def test_identical_rainy_and_clean(tree, check):
    write(tree / BAD, photograph(3), compress_level=1)  # other bytes, the same pixels
    refused(check(), BAD, "same pixels as its clean partner")


def test_empty_folder(tree, check):
    for file in (tree / "train/rain").iterdir():
        file.unlink()
    found = check()
    (line,) = found.errors
    assert "no image found" in line and "train/rain/{scene}.*" in line


def test_no_clean_image_at_all(tree, check):
    for file in (tree / "test/norain").iterdir():
        file.unlink()
    found = check()
    (line,) = found.errors
    assert "no image found" in line and "test/norain/{scene}.*" in line


@pytest.mark.parametrize(("split", "first", "more"), [("train", 1, 5), ("validation", 21, 2)])
def test_training_and_validation_pairs_need_clean_images(tree, check, split, first, more):
    write_pairs(tree / "validation", range(21, 24))
    found = check(**{split: {"rainy": f"{split}/rain/{{scene}}.png"}})
    refused(found, f"{split}/rain/{first}.png", f"has no clean image ({more} more {split} pairs have none, too)")


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_row_of_a_list_without_its_clean_image(tree, check, split):
    write_pairs(tree / "validation", range(21, 24))
    numbers = {"train": range(1, 7), "validation": range(21, 24), "test": range(11, 13)}
    rows = [f"{each}/rain/{n}.png,{each}/norain/{n}.png,{each}" for each, of in numbers.items() for n in of]
    bare = f"{split}/rain/{numbers[split][2]}.png"
    rows = [f"{bare},,{split}" if row.startswith(bare) else row for row in rows]
    (tree / "pairs.csv").write_text("\n".join(["rainy,clean,split", *rows]))
    refused(check(layout="csv"), bare, f"has no clean image; {split} pairs need one")


def test_a_dataset_of_an_order_needs_a_test_pair_with_a_clean_image(tree, look):
    """One that is only scored may be real rain, and so may other test pairs of a dataset of an order."""
    real = {"layout": "rain-norain", "root": str(tree), "test": {"rainy": "test/rain/{scene}.png"}}
    text = "no test pair has a clean image; a dataset of an order needs scores, one of evaluation.datasets does not"
    assert look({"d": real}).errors == [f"datasets.d: {text}"]
    (tree / "test.csv").write_text("rainy,clean\ntest/rain/11.png,test/norain/11.png\ntest/rain/12.png,\n")
    mixed = real | {"test": {"list": "test.csv"}}
    found = look({"d": mixed, "real": real})
    assert found.errors == []
    cleans = {name: [s.clean for s in found.manifest[name] if s.split == "test"] for name in ("d", "real")}
    assert cleans == {"d": ["test/norain/11.png", ""], "real": ["", ""]}


def test_test_pairs_that_are_drawn_among_training_places_may_be_real_rain(tree, look):
    """Only the split in which a pair ends decides whether it needs a clean image."""
    real = {"layout": "folders", "root": str(tree), "train": {"rainy": "test/rain/{scene}.png"}, "test_share": 0.5}
    sound = {"layout": "rain-norain", "root": str(tree)}
    found = look({"d": sound, "real": real})
    assert found.errors == []
    assert [sample.clean for sample in found.manifest["real"]] == [""]


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


LISTS = {"layout": "folders", "train": {"list": "train.txt"}, "test": {"rainy": "test/rain/{scene}.png", "clean": "test/norain/{scene}.png"}}  # fmt: skip  # noqa: E501


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train/rain/9.png train/norain/9.png", "train/rain/9.png does not exist"),
        ("../outside.png train/norain/1.png", "outside the root"),
        ("train/rain/7.png", "rainy and a clean file"),
        ("train/rain/1.png train/norain/1.png", "stands twice"),
    ],
)
def test_list_file(tree, check, line, words):
    write(tree.parent / "outside.png", rainy(50))
    lines = [f"train/rain/{n}.png train/norain/{n}.png" for n in range(1, 7)]
    (tree / "train.txt").write_text("\n".join([*lines, line]))
    refused(check(**LISTS), "train.txt:7", words)


def listed(tree, lines, name="train.txt", **section):
    """A section whose training pairs are in a list of these lines."""
    (tree / name).write_text("\n".join(lines), encoding="utf-8")
    return LISTS | {"train": {"list": name}} | section


def rows(numbers, side="train", pair="{side}/rain/{n}.png {side}/norain/{n}.png"):
    return [pair.format(side=side, n=n) for n in numbers]


@pytest.mark.parametrize("header", ["rainy,clean,split", "rainy, Clean ,SPLIT", '"rainy",clean,split', "\ufeffRainy,clean,split"])  # fmt: skip  # noqa: E501
def test_columns_of_a_csv_list_in_any_case_and_with_spaces(tree, check, header):
    pair = "{side}/rain/{n}.png, {side}/norain/{n}.png ,{side}"
    lines = [header, *rows(range(1, 7), pair=pair), "", " , ,", *rows((11, 12), "test", pair)]
    (tree / "pairs.csv").write_bytes("\r\n".join(lines).encode())
    found = check(layout="csv")
    assert found.errors == [] and counts(found.manifest["d"]) == {"train": 5, "validation": 1, "test": 2}


def test_a_column_without_a_name_is_an_index(tree, check):
    pair = "{n},{side}/rain/{n}.png,{side}/norain/{n}.png"
    section = listed(tree, [",rainy,clean", *rows(range(1, 7), pair=pair)], "train.csv")
    assert len(check(**section).manifest["d"]) == 8


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("rainy,gt", "'rainy', 'gt'"),
        ("rainy,clean,clean", "'rainy', 'clean', 'clean'"),
        ("rainy,clean,Group", "'rainy', 'clean', 'Group'"),
        ("rainy;clean", "'rainy;clean'"),
        ("rainy\tclean", r"'rainy\tclean'"),
        ("", "none"),
    ],
)
def test_other_columns_of_a_csv_list_are_named(tree, check, header, named):
    pairs = rows(range(1, 7), pair="{side}/rain/{n}.png,{side}/norain/{n}.png,train")
    section = listed(tree, [header, *pairs] if header else [], "t.csv")
    known = "needed are rainy and clean, known are also scene and split"
    refused(check(**section), "t.csv", f"its columns are {named}; {known}")


def test_a_list_that_is_not_there_or_names_no_pair(tree, check):
    (line,) = check(**LISTS | {"train": {"list": "nope.txt"}}).errors
    assert line.endswith("expected the list 'nope.txt', which does not exist")
    (line,) = check(**listed(tree, [])).errors
    assert line.endswith("expected the list 'train.txt', which gives no train pair")
    (tree / "dead.txt").symlink_to(tree / "gone.txt")
    refused(check(**LISTS | {"train": {"list": "dead.txt"}}), "dead.txt", "leads nowhere")


@pytest.mark.parametrize("called", ["data", "link", "/data"])
def test_absolute_paths_in_a_list_whatever_the_root_is_called(tree, check, called, monkeypatch):
    monkeypatch.chdir(tree.parent)
    (tree.parent / "link").symlink_to(tree)
    lines = [f"{tree}/train/rain/{n}.png {tree}/train/norain/{n}.png" for n in range(1, 7)]
    found = check(**listed(tree, lines, root=str(tree) if called == "/data" else called))
    assert found.errors == [] and {sample.rainy[:5] for sample in found.manifest["d"]} == {"train", "test/"}


def test_a_row_whose_files_are_excluded_need_not_have_them(tree, check):
    section = listed(tree, rows(range(1, 10)))
    assert len(check(**section).errors) == 3
    found = check(**section, exclude=["train/rain/7.png", "*/norain/8.png", "train/rain/9*"])
    assert found.errors == [] and len(found.manifest["d"]) == 8 and found.findings["d"] == []


@any_letter
@pytest.mark.parametrize("letters", [("caf\u00e9", "cafe\u0301"), ("cafe\u0301", "caf\u00e9")])
def test_lists_may_compose_names_in_another_way_than_the_disk(tree, check, letters):
    stored, named = letters
    write_pairs(tree / "train", [9], f"rain/{stored}.png", f"norain/{stored}.png")
    section = listed(tree, rows([*range(1, 5), named]))
    found = check(**section)
    assert found.errors == [] and f"train/rain/{stored}.png" in {sample.rainy for sample in found.manifest["d"]}
    (tree / "validation.txt").write_text(f"{named}.png\n", encoding="utf-8")
    held = check(validation_list="validation.txt")
    assert held.errors == []
    assert [sample.rainy for sample in held.manifest["d"] if sample.split == "validation"] == [f"train/rain/{stored}.png"]  # fmt: skip  # noqa: E501
    assert len(check(**section, exclude=[f"train/rain/{named}.png"]).manifest["d"]) == len(found.manifest["d"]) - 1


def test_only_the_star_of_exclude_is_special(tree, check):
    for n, name in enumerate(("a[1]", "a1", "b?", "bb"), start=20):
        write_pairs(tree / "train", [n], f"rain/{name}.png", f"norain/{name}.png")
    found = check(exclude=["train/*/a[1].png", "*/b?.png"])
    assert found.errors == [] and found.findings["d"] == []
    left = {sample.rainy for sample in found.manifest["d"]}
    assert {"train/rain/a1.png", "train/rain/bb.png"} <= left
    assert not {"train/rain/a[1].png", "train/rain/b?.png"} & left


def test_a_pattern_of_exclude_that_matches_nothing_is_a_warning(tree, check, look, capsys):
    patterns = ["Train/rain/1.png", "train/*/1.png"]
    found = check(exclude=patterns)
    assert [str(finding) for finding in found.findings["d"]] == ["exclude: 'Train/rain/1.png' matches no file"]
    assert "warning: datasets.d: exclude: 'Train/rain/1.png' matches no file" in capsys.readouterr().err
    # Of a dataset that is only scored, nobody looks for the training images that the pattern may be about.
    scored = {"layout": "rain-norain", "root": str(tree), "exclude": patterns}
    write_pairs(tree.parent / "other/train", range(31, 37))
    write_pairs(tree.parent / "other/test", range(41, 43))
    other = {"layout": "rain-norain", "root": str(tree.parent / "other")}
    found = look({"d": other, "scored": scored})
    assert found.errors == [] and found.findings["scored"] == []


def test_side_by_side_of_odd_width(root, look):
    for n in range(1, 5):
        write(root / "train" / f"{n}.png", np.concatenate([photograph(n), rainy(n)], axis=1))
        write(root / "test" / f"{n}.png", np.concatenate([photograph(10 + n), rainy(10 + n)], axis=1))
    write(root / "train" / "3.png", np.concatenate([photograph(3), rainy(3)], axis=1)[:, :-1])
    found = look({"d": {"layout": "side-by-side", "clean": "left", "root": str(root)}})
    refused(found, "train/3.png", "111 pixels wide", "even width")


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


def test_smaller_than_the_patch(tree, check, look):
    for side, picture in (("rain", rainy(3)), ("norain", photograph(3))):
        write(tree / "train" / side / "3.png", picture[:14])
    refused(check(), BAD, "56×14, smaller than training.patch = 16", "small_images: reflect")
    assert check(small_images="reflect").errors == []


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
