"""Every layout by name, on a small tree as it is published or commonly repackaged."""

from typing import get_args

import numpy as np
import pytest
from derain.config.datasets import LayoutName, Pairs
from derain.data.layouts import ASK, LAYOUTS, OWN
from derain.data.samples import read_manifest
from PIL import Image
from trees import any_letter, counts, photograph, rainy, write, write_pairs

# layout | training: rainy, clean | test: rainy, clean; {} is a scene. One file: side by side, clean left.
TREES = """
rain100l-old | RainTrainL/rain-{}.png, RainTrainL/norain-{}.png | Rain100L/rainy/rain-{:03}.png, Rain100L/norain-{:03}.png
rain100l-old | train/small/rain/norain-{}.png, train/small/norain/norain-{}.png | test/small/rain/norain-{}.png, test/small/norain/norain-{}.png
rain100l-old | rain100L/train/rain/{}.png, rain100L/train/norain/{}.png | rain100L/test/rain/{}.png, rain100L/test/norain/{}.png
rain100h-old | RainTrainH/rain-{}.png, RainTrainH/norain-{}.png | Rain100H/rainy/rain-{:03}.png, Rain100H/norain-{:03}.png
rain100h-old | rain-{}.png, norain-{}.png | test/rain/{}.png, test/norain/{}.png
rain100h-old | | rainy/rain-{:03}.png, norain-{:03}.png
rain100l-new | train/rain/norain-{}x2.png, train/norain/norain-{}.png | test/rain/norain-{}x2.png, test/norain/norain-{}.png
rain100h-new | train/rain/X2/norain-{}x2.png, train/norain/norain-{}.png | test/rain/X2/norain-{}x2.png, test/norain/norain-{}.png
rain100h-new | train/Rain200H/input/{}.png, train/Rain200H/target/{}.png | test/Rain200H/input/{}.png, test/Rain200H/target/{}.png
rain12 | | rainy/{}.png, groundtruth/{}.png
rain12 | | {:03}_in.png, {:03}_GT.png
rain12 | | rain/{}.png, norain/{}.png
rain800 | training/{}.jpg | test_syn/{}.jpg
rain800 | train/input/{}.png, train/target/{}.png | Test100/input/{}.png, Test100/target/{}.png
rain1200 | Rain_Heavy/train2018new/{}.jpg | DID-MDN-test/{}.jpg
rain1200 | rain1200_medium/train/rain/{}.png, rain1200_medium/train/norain/{}.png | rain1200_medium/test/rain/{}.png, rain1200_medium/test/norain/{}.png
rain1400 | training/rainy_image/{}_1.jpg, training/ground_truth/{}.jpg | testing/rainy_image/{}_9.jpg, testing/ground_truth/{}.jpg
rain1400 | rainy_image_dataset/training/rainy image/{}_1.jpg, rainy_image_dataset/training/ground truth/{}.jpg | rainy_image_dataset/testing/rainy image/{}_9.jpg, rainy_image_dataset/testing/ground truth/{}.jpg
rainds | RainDS_syn/train/rainstreak/rain-{}.png, RainDS_syn/train/gt/norain-{}.png | RainDS_syn/test/rainstreak/rain-{}.png, RainDS_syn/test/gt/norain-{}.png
rainds | train/{}_rain.png, train/{}_norain.png | test/{}_rain.png, test/{}_norain.png
raincityscapes | leftImg8bit_rain/train/ulm/ulm_{}_leftImg8bit_rain_alpha_0.01_pattern_2.png, leftImg8bit/train/ulm/ulm_{}_leftImg8bit.png | leftImg8bit_rain/val/bonn/bonn_{}_leftImg8bit_rain_alpha_0.02_pattern_1.png, leftImg8bit/val/bonn/bonn_{}_leftImg8bit.png
outdoor-rain | train/in/im_{:04}_s80_a04.png, train/gt/im_{:04}.png | test/in/im_{:04}_s95_a06.png, test/gt/im_{:04}.png
rain13k | train/input/{}.jpg, train/target/{}.jpg | test/Test100/input/{}.png, test/Test100/target/{}.png
input-target | train/input/{}.webp, train/target/{}.bmp | test/input/{}.tif, test/target/{}.tiff
rain-norain | train/rain/{}.PNG, train/norain/{}.PNG | rain/{}.png, norain/{}.png
side-by-side | train/{}.png | test/{}.png
real | | {}.jpg
"""  # noqa: E501
ROWS = [[part.strip() for part in line.split("|")] for line in TREES.strip().splitlines()]


def plant(root, files, numbers, real):
    names = [name.strip() for name in files.split(",") if name.strip()]
    for number in numbers:
        paths = [root / name.format(number) for name in names]
        pictures = [rainy(number), photograph(number)]
        if len(paths) == 1 and not real:
            pictures = [np.concatenate(pictures[::-1], axis=1)]
        for path, picture in zip(paths, pictures, strict=False):
            write(path, picture)


@pytest.mark.parametrize("row", ROWS, ids=[f"{n}-{row[0]}" for n, row in enumerate(ROWS)])
def test_layout_by_name(row, root, look):
    layout, training, test = row
    real = layout == "real"
    plant(root, training, range(1, 11), real)
    plant(root, test, range(21, 24), real)
    (root / "Thumbs.db").write_bytes(b"junk")
    (root / ".DS_Store").write_bytes(b"junk")
    half = {"clean": "left"} if layout in ("rain1200", "side-by-side") else {}
    section = {"layout": layout, "root": str(root)} | half
    other = {"layout": "rendered", "rain": RAIN, "train": ["rocket.jpg"], "validation": [], "test": ["chelsea.png"]}
    found = look({"d": section, "other": other}, trained=("d",) if training else ("other",))
    assert found.errors == []
    expected = {"train": 9, "validation": 1} if training else {"train": 0, "validation": 0}
    samples = found.manifest["d"]
    assert counts(samples) == expected | {"test": 3}
    assert all((sample.height, sample.width) == (40, 56) for sample in samples)
    assert all(bool(sample.clean) != real for sample in samples)
    assert found.findings["d"] == []


RAIN = {"angle": [0, 1], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.2]}


def test_every_layout_has_a_tree_and_a_paragraph():
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs/reference/datasets.md").read_text(encoding="utf-8")
    assert {row[0] for row in ROWS} | {"spa-data", "csv"} == set(LAYOUTS)
    assert set(get_args(LayoutName)) == {OWN, *LAYOUTS}
    assert [layout for layout in LAYOUTS if f"`{layout}`" not in page] == []


def test_spa_data_reads_its_lists(root, look):
    write_pairs(root / "real_world", range(1, 7))
    write_pairs(root / "test", range(7, 9))
    for name, folder, numbers in (
        ("real_world.txt", "real_world", range(1, 7)),
        ("real_test_1000.txt", "test", (7, 8)),
    ):
        lines = [f"/{folder}/rain/{n}.png /{folder}/norain/{n}.png\n" for n in numbers]
        (root / name).write_text("".join(lines))
    found = look({"d": {"layout": "spa-data", "root": str(root), "validation_share": 0.2}})
    assert found.errors == []
    assert counts(found.manifest["d"]) == {"train": 5, "validation": 1, "test": 2}


@any_letter
def test_csv_of_pairs_tells_splits_and_scenes(root, look):
    write_pairs(root, range(1, 6), "a name, with {}.png", "ü/{}.png")
    lines = ["scene,rainy,clean,split"]
    lines += [f'"s{n}","a name, with {n}.png",ü/{n}.png,{s}' for n, s in enumerate("ttvee", 1)]
    names = {"t": "", "v": "validation", "e": "test"}
    text = "\n".join(line[:-1] + names.get(line[-1], line[-1]) if n else line for n, line in enumerate(lines))
    (root / "pairs.csv").write_text(text, encoding="utf-8")
    found = look({"d": {"layout": "csv", "root": str(root)}})
    assert found.errors == []
    assert counts(found.manifest["d"]) == {"train": 2, "validation": 1, "test": 2}
    assert {sample.scene for sample in found.manifest["d"]} == {f"s{n}" for n in range(1, 6)}


def test_own_patterns_and_links_to_folders(root, look, tmp_path):
    write_pairs(root / "elsewhere", range(1, 6), "with rain/x{}.PNG", "dry/{}.jpeg")
    (root / "link").symlink_to(root / "elsewhere", target_is_directory=True)
    pairs = {"rainy": "link/with rain/x{scene}.png", "clean": "link/dry/{scene}.*"}
    section = {"layout": "folders", "root": str(root), "train": pairs, "test_share": 0.2}
    found = look({"d": section})
    assert found.errors == []
    assert counts(found.manifest["d"]) == {"train": 3, "validation": 1, "test": 1}


def test_the_half_of_side_by_side_images_must_be_said_where_copies_differ(root, look):
    plant(root, "Rain_Heavy/train2018new/{}.jpg", range(1, 4), False)
    plant(root, "DID-MDN-test/{}.jpg", range(4, 6), False)
    found = look({"d": {"layout": "rain1200", "root": str(root)}})
    assert len(found.errors) == 2 and all("`clean: left` or right" in line for line in found.errors)


def test_the_halves_are_told_apart(root, look):
    plant(root, "training/{}.png", range(1, 4), False)
    plant(root, "test/{}.png", range(4, 5), False)
    left = look({"d": {"layout": "rain800", "root": str(root)}}).manifest["d"]
    right = look({"d": {"layout": "rain800", "root": str(root), "clean": "right"}}).manifest["d"]
    assert [s.rainy_sha256 for s in left] == [s.clean_sha256 for s in right]


def test_a_link_to_a_folder_that_is_gone_makes_no_smaller_dataset(root, look):
    for city, numbers in (("ulm", range(1, 5)), ("bonn", range(5, 9))):
        write_pairs(root / city, numbers)
    (root / "bonn").rename(root.parent / "disk")
    (root / "bonn").symlink_to(root.parent / "gone", target_is_directory=True)
    pairs = {"rainy": "*/rain/{scene}.png", "clean": "*/norain/{scene}.png"}
    section = {"layout": "folders", "root": str(root), "train": pairs, "test_share": 0.3}
    (line,) = look({"d": section}).errors
    assert line == "datasets.d: bonn: is a link that leads nowhere"
    found = look({"d": section | {"exclude": ["bonn"]}})
    assert found.errors == [] and len(found.manifest["d"]) == 4


def test_folder_levels_that_are_stars_are_the_same_on_both_sides(root, look):
    for city, numbers in (("ulm", range(1, 5)), ("bonn", range(5, 9))):
        write_pairs(root / city, numbers)
    pairs = {"rainy": "*/rain/{scene}.png", "clean": "*/norain/{scene}.png"}
    section = {"layout": "folders", "root": str(root), "train": pairs, "test_share": 0.3}
    assert len(look({"d": section}).manifest["d"]) == 8
    (root / "bonn/norain/5.png").rename(root / "ulm/norain/5.png")
    (line,) = look({"d": section}).errors
    assert line == "datasets.d: bonn/rain/5.png: has no clean partner bonn/norain/5.png"
    # With another number of such levels, there is nothing to compare.
    (root / "ulm/norain").rename(root / "norain")
    for file in (root / "bonn/norain").iterdir():
        file.rename(root / "norain" / file.name)
    found = look({"d": section | {"train": pairs | {"clean": "norain/{scene}.png"}}})
    assert found.errors == [] and len(found.manifest["d"]) == 8


@pytest.mark.parametrize("pattern", ["a/*{scene}.png", "{scene}*/b.png", "{scene}{rain}.*", "{rain}{scene}.*", "{scene}*.*"])  # fmt: skip  # noqa: E501
def test_placeholders_need_a_text_between_them(root, look, pattern):
    from derain.errors import UserError

    root.mkdir()
    section = {"layout": "folders", "root": str(root), "test_share": 0.3}
    with pytest.raises(UserError, match=r"datasets.d.train: the pattern .* does not say where \S+ ends"):
        look({"d": section | {"train": {"rainy": pattern, "clean": "c/{scene}.png"}}})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_places_of_layouts_are_valid_as_places_of_the_config(layout):
    for places in LAYOUTS[layout].values():
        for place in places:
            Pairs.model_validate(
                {key: "left" if each == ASK else each for key, each in place.items() if key != "split"}
            )


EXTENSIONS_THAT_ARE_READ = {"jfif": "JPEG", "jpe": "JPEG", "JPEG": "JPEG", "mpo": "MPO", "tif": "TIFF", "bmp": "BMP"}


@pytest.mark.parametrize("extension", EXTENSIONS_THAT_ARE_READ)
def test_extensions_that_are_read(root, look, extension):
    for side, picture in (("rain", rainy), ("norain", photograph)):
        for number in range(1, 4):
            more = {"save_all": True, "append_images": [Image.new("RGB", (9, 9))]} if extension == "mpo" else {}
            kind = EXTENSIONS_THAT_ARE_READ[extension]
            write(root / "train" / side / f"{number}.{extension}", picture(number), format=kind, **more)
    write_pairs(root / "test", [11])
    found = look({"d": {"layout": "rain-norain", "root": str(root)}})
    assert found.errors == [] and found.findings["d"] == []
    assert counts(found.manifest["d"]) == {"train": 2, "validation": 1, "test": 1}


@pytest.mark.parametrize(
    ("extension", "kind", "words"),
    [
        ("gif", "GIF", "is GIF; read are PNG, JPEG"),
        ("ppm", "PPM", "is PPM; read are"),
        ("pgm", "PPM", "is PPM; read are"),
        ("TGA", "TGA", "is TGA; read are"),
        ("qoi", "QOI", "is QOI; read are"),
        ("dng", "TIFF", "is a raw photograph; read are"),  # its content is a TIFF, often with a small preview first
        ("NEF", None, "is a raw photograph; read are"),
        ("heic", None, "is no image that can be read"),
        ("jxl", None, "is no image that can be read"),
    ],
)
def test_images_of_other_formats_are_found_and_refused(root, look, extension, kind, words):
    write_pairs(root / "test", [11])
    write_pairs(root / "train", range(1, 4))
    path = root / f"train/rain/4.{extension}"
    path.write_bytes(b"junk")
    if kind:
        write(path, Image.fromarray(rainy(4)), format=kind)
    write(root / "train/norain/4.png", photograph(4))
    (line,) = look({"d": {"layout": "rain-norain", "root": str(root)}}).errors
    assert line.startswith(f"datasets.d: train/rain/4.{extension}: {words}")
    rain = {"layout": "rendered", "root": str(root / "train/rain"), "rain": RAIN, "test_share": 0.3}
    (line,) = look({"d": rain}).errors
    assert line.startswith(f"datasets.d: 4.{extension}: {words}")


@any_letter
def test_names_compose_alike_on_both_sides(root, look):
    write(root / "rain" / "caf\u00e9.png", rainy(1))
    write(root / "norain" / "cafe\u0301.png", photograph(1))
    section = {"layout": "rain-norain", "root": str(root)}
    other = {"layout": "rendered", "rain": RAIN}
    found = look({"d": section, "other": other}, trained=("other",))
    assert found.errors == [] and counts(found.manifest["d"])["test"] == 1


def test_an_unknown_layout_names_the_nearest(root, look):
    from derain.errors import UserError

    root.mkdir()
    with pytest.raises(UserError, match=r"d.layout: 'rain100l-odd' is not one of .*; did you mean 'rain100l-old'"):
        look({"d": {"layout": "rain100l-odd", "root": str(root)}})
    with pytest.raises(UserError, match="did you mean 'rain-norain'"):
        look({"d": {"layout": "rain-norrain", "root": str(root)}})
    with pytest.raises(UserError, match="unknown key; did you mean 'root'"):
        look({"d": {"layout": "rain12", "rot": str(root), "root": str(root)}})


def test_a_manifest_reads_back(root, look, tmp_path):
    write_pairs(root / "train", range(3))
    write_pairs(root / "test", range(3, 5))
    found = look({"d": {"layout": "rain-norain", "root": str(root)}})
    assert found.manifest["d"] == read_manifest(tmp_path / "results" / "d" / "manifest.csv")
    assert str(root) not in (tmp_path / "results" / "d" / "manifest.csv").read_text()
