"""Rain on one's own photographs: which are used in which split, and what they get."""

import json
import re
import shutil

import numpy as np
import pytest
import yaml
from derain.config.experiment import read_experiment
from derain.data import matching
from derain.data.blocks import BLOCK, ORIGIN, add_rain_in_blocks
from derain.data.images import read_rgb
from derain.data.packing import pack
from derain.data.rain import Rain, _streak, add_rain
from derain.data.rendered import render, rendered, spread_tiles
from derain.data.rendering import LARGEST, code_of
from derain.data.roots import root_of
from derain.data.samples import USES, read_manifest
from derain.data.store import PackedPairs, pairs_digest
from derain.errors import UserError
from derain.plan.codedigest import code_digest
from derain.plan.sources import sources_of
from faults import faults_of
from PIL import Image
from places import REPOSITORY
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d
from trees import counts, photograph, rainy, write, write_pairs

RAIN = {"angle": [-10, 10], "length": [5, 9], "width": 1, "density": 0.02, "brightness": [0.2, 0.4]}
SLANTED = RAIN | {"angle": [60, 70], "density": 0.05}
OWN = {"layout": "rendered", "rain": RAIN, "renders": 2, "tile": 24, "tiles": 2, "test_share": 0.3}


@pytest.fixture
def album(root):
    """Ten photographs, some in folders."""
    for number in range(10):
        write(root / ("summer/lake/" if number % 3 == 0 else "") / f"{number}.png", photograph(number, 40 + number))
    return root


@pytest.fixture
def own(album):
    return OWN | {"root": str(album)}


def stored(found, sections, folder, name="d", use="training", source=None):
    """Pairs of a use by split, from a store that the manifest gives. source: dataset whose layers they take."""
    layers = [stores_of(found, sections, folder, source, use)] if source else []
    table, pixels, digest = stores_of(found, sections, folder, name, use, layers)
    return {split: PackedPairs([(table, pixels, digest)], split) for split in USES[use]}


def stores_of(found, sections, folder, name, use, layers=()):
    samples = [sample for sample in found.manifest[name] if sample.split in USES[use]]
    at = folder / "stores" / name / use
    at.mkdir(parents=True, exist_ok=True)
    section = {"root": None} | sections[name]
    pack(samples, root_of(section), at / "pixels.bin", at / "pairs.csv", 2, layers)
    return at / "pairs.csv", at / "pixels.bin", pairs_digest(samples)


# --- splits


def test_photographs_of_all_folders_are_divided_by_share(own, look):
    found = look({"d": own | {"validation_share": 0.2}})
    assert found.errors == [] and found.findings["d"] == []
    scenes = {split: {s.scene for s in found.manifest["d"] if s.split == split} for split in counts([])}
    assert {split: len(names) for split, names in scenes.items()} == {"train": 6, "validation": 1, "test": 3}
    assert set.union(*scenes.values()) == {f"{'summer/lake/' if n % 3 == 0 else ''}{n}" for n in range(10)}
    assert counts(found.manifest["d"]) == {"train": 6 * 2, "validation": 2, "test": 3 * 2}
    assert len({sample.name for sample in found.manifest["d"]}) == 20


def test_lists_name_photographs_with_or_without_folder_and_extension(album, own, look):
    (album / "test.txt").write_text("summer/lake/3.png\n4\n")
    (album / "validation.txt").write_text("6.png\n")
    lists = {"test_share": 0, "test_list": "test.txt", "validation_list": "validation.txt"}
    found = look({"d": own | lists})
    assert found.errors == []
    of = {sample.scene: sample.split for sample in found.manifest["d"]}
    assert {scene for scene, split in of.items() if split == "test"} == {"summer/lake/3", "4"}
    assert {scene for scene, split in of.items() if split == "validation"} == {"summer/lake/6"}
    (album / "test.txt").write_text("44\n")
    (line,) = look({"d": own | lists}).errors
    assert line.endswith("'44' is no scene or image file of the training pairs")


def test_one_photograph_under_two_names_is_in_one_split(album, own, look):
    for number in range(10):
        write(album / f"copies/of {number}.bmp", photograph(number, 40 + number))
        write(album / f"again/{number}.jpg", photograph(number, 40 + number), quality=80)
    for seed in range(3):
        found = look({"d": own | {"seed": seed, "validation_share": 0.3}})
        assert found.errors == [] and len({sample.clean for sample in found.manifest["d"]}) == 30
        splits = {}
        for sample in found.manifest["d"]:
            number = sample.clean.split("/")[-1].removeprefix("of ").split(".")[0]
            splits.setdefault(number, set()).add(sample.split)
        assert len(splits) == 10 and all(len(each) == 1 for each in splits.values())


def test_a_dataset_that_is_only_scored_has_test_pairs_only(own, look):
    found = look({"d": own, "other": {"layout": "rendered", "rain": RAIN}}, trained=("other",))
    assert found.errors == [] and counts(found.manifest["d"]) == {"train": 0, "validation": 0, "test": 6}


# --- what decides the pairs


def digests(found, name="d"):
    return {use: pairs_digest(s for s in found.manifest[name] if s.split in splits) for use, splits in USES.items()}


def test_neither_root_nor_times_nor_order_of_files_decide_the_pairs(album, own, look, tmp_path, monkeypatch):
    before = digests(look({"d": own}))
    shutil.copytree(album, tmp_path / "copy")  # other inodes and times, listed in another order
    entries = matching._entries
    monkeypatch.setattr(matching, "_entries", lambda *given: reversed(list(entries(*given))))
    assert digests(look({"d": own | {"root": str(tmp_path / "copy")}})) == before


@pytest.mark.parametrize("change", [{"seed": 1}, {"rain": SLANTED}, {"tile": 20}, {"test_share": 0.5}], ids=str)
def test_keys_that_decide_pairs(own, look, change):
    before, after = digests(look({"d": own})), digests(look({"d": own | change}))
    assert all(before[use] != after[use] for use in USES)


def test_another_photograph_changes_no_rain_of_the_others(album, own, look):
    before = {sample.name: sample.recipe for sample in look({"d": own}).manifest["d"] if sample.split == "train"}
    write(album / "00.png", photograph(70))
    after = {sample.name: sample.recipe for sample in look({"d": own}).manifest["d"] if sample.split == "train"}
    both = before.keys() & after.keys()
    assert len(both) >= 6 and all(before[name] == after[name] for name in both)


def test_pixels_decide(album, own, look):
    before = digests(look({"d": own}))
    for number in range(10):
        write(next(album.rglob(f"{number}.png")), photograph(number + 30, 40 + number))
    after = digests(look({"d": own}))
    assert all(before[use] != after[use] for use in USES)


# --- pixels


def test_pairs_are_the_photographs_and_their_rain(album, own, look, tmp_path):
    sections = {"d": own}
    found = look(sections)
    by_name = {sample.name: sample for sample in found.manifest["d"]}
    for use in USES:
        for split, pairs in stored(found, sections, tmp_path, use=use).items():
            for row, (got_rainy, got_clean) in zip(pairs.rows, pairs, strict=True):
                whole = read_rgb(album / by_name[row.name].clean)
                copy = int(row.name.rpartition("-")[2])
                boxes = spread_tiles(*whole.shape[:2], 24, 2)
                top, left, height, width = (0, 0, *whole.shape[:2]) if split == "train" else boxes[copy]
                assert np.array_equal(got_clean, whole[top : top + height, left : left + width])
                grown = got_rainy.astype(int) - got_clean
                assert grown.min() == 0 < grown.max()  # streaks add light
                assert np.array_equal(got_rainy, render(whole, row.recipe)[0])
    seeds = {sample.recipe.split('"seed"')[1].split("]")[0] for sample in found.manifest["d"]}
    assert len(seeds) == len(found.manifest["d"])


@pytest.mark.parametrize("picture", [photograph(99), photograph(99, 30, 30)], ids=["other pixels", "another size"])
def test_packing_refuses_a_photograph_that_changed_after_the_check(album, own, look, tmp_path, picture):
    found = look({"d": own})
    changed = next(sample.clean for sample in found.manifest["d"] if sample.split == "train")
    write(album / changed, picture)
    with pytest.raises(UserError) as told:
        stored(found, {"d": own}, tmp_path)
    assert str(told.value) == f"{album / changed}: changed since it was checked; run again"
    assert not (tmp_path / "stores/d/training/pairs.csv").exists()


def test_photographs_of_scikit_image_are_as_without_the_keys_of_a_root(look):
    """As `rendered` has made them since before there was a root: same samples, recipes and so digests of pairs."""
    section = {"layout": "rendered", "rain": RAIN | {"blur": 0.0}, "seed": 3, "renders": 2, "tile": 48, "tiles": 2}
    names = {"train": ["rocket.jpg"], "validation": ["coffee.png"], "test": ["chelsea.png"]}
    manifest = look({"d": section | names}).manifest["d"]
    expected = list(rendered(**{key: section[key] for key in section if key != "layout"}, **names))
    assert [(s.split, s.scene, s.name, s.clean, s.height, s.width) for s in manifest] == [
        (s.split, s.scene, s.name, s.clean, s.height, s.width) for s in expected
    ]
    for sample, plain in zip(manifest, expected, strict=True):
        *made, (last, code) = json.loads(sample.recipe).items()
        assert made == list(json.loads(plain.recipe).items()) and last == "code"
        assert code == code_digest("derain.data.rendered")
        assert code_of(sample.recipe) == "derain.data.rendered"


def test_seeds_and_places_in_recipes_of_scikit_images_photographs(look):
    section = {"layout": "rendered", "rain": RAIN, "seed": 3, "tile": 48, "tiles": 2}
    names = {"train": ["rocket.jpg"], "validation": ["coffee.png"], "test": ["chelsea.png"]}
    (first,) = [s for s in look({"d": section | names | {"renders": 1}}).manifest["d"] if s.split == "train"]
    assert '"seed": [3, 0, 0, 0], "box": [0, 0, 427, 640], "code"' in first.recipe
    clean = read_rgb(root_of({"layout": "rendered"}) / "rocket.jpg")
    assert np.array_equal(
        render(clean, first.recipe)[0],
        add_rain(clean, Rain(**RAIN), (3, 0, 0, 0)),
    )


# --- several kinds of rain


def test_each_pair_draws_one_of_the_kinds(own, look, tmp_path):
    found = look({"d": own | {"rain": [RAIN, SLANTED], "renders": 20, "tiles": 20}})
    drawn = [
        json.loads(sample.recipe)["rain"] == SLANTED | {"width": 1.0, "blur": 0.0} for sample in found.manifest["d"]
    ]
    assert 0.3 < np.mean(drawn) < 0.7
    of_one_photograph = [
        d for d, s in zip(drawn, found.manifest["d"], strict=True) if s.clean == found.manifest["d"][0].clean
    ]
    assert len(set(of_one_photograph)) == 2


def test_a_list_of_one_kind_is_that_kind(own, look):
    for section in (own, {"layout": "rendered", "tile": 48, "renders": 1}):
        one, many = look({"d": section | {"rain": RAIN}}), look({"d": section | {"rain": [RAIN]}})
        assert digests(one) == digests(many)


def test_the_draw_of_a_kind_does_not_depend_on_other_pairs(own, album, look):
    kinds = {"rain": [RAIN, SLANTED]}
    before = {s.name: s.recipe for s in look({"d": own | kinds}).manifest["d"] if s.split == "train"}
    (album / "5.png").unlink()
    after = {s.name: s.recipe for s in look({"d": own | kinds}).manifest["d"] if s.split == "train"}
    both = before.keys() & after.keys()
    assert len(both) >= 6 and all(before[name] == after[name] for name in both)


# --- rain layers of another dataset


@pytest.fixture
def source(tmp_path):
    """Pairs smaller and larger than the photographs, with rain that also darkens."""
    root = tmp_path / "source"
    for split, numbers in (("train", range(100, 106)), ("validation", range(110, 112)), ("test", range(120, 123))):
        for number in numbers:
            size = (30, 70) if number % 2 else (60, 33)
            background = photograph(number, *size)
            rain = rainy(number, 0, *size)
            rain[::7] = rain[::7] // 2
            write(root / split / "rain" / f"{number}.png", rain)
            write(root / split / "norain" / f"{number}.png", background)
    return {"layout": "rain-norain", "root": str(root)}


def slow_layer(clean, rainy_image, background, corner):
    """B' + (O − B), pixel by pixel."""
    added = np.empty_like(clean)
    for y in range(clean.shape[0]):
        for x in range(clean.shape[1]):
            at = (y + corner[0]) % background.shape[0], (x + corner[1]) % background.shape[1]
            for channel in range(3):
                value = int(clean[y, x, channel]) + int(rainy_image[at][channel]) - int(background[at][channel])
                added[y, x, channel] = min(255, max(0, value))
    return added


def test_layers_of_the_same_split_are_added(own, source, album, look, tmp_path):
    sections = {"d": own | {"rain": {"layers_of": "s"}, "tiles": 1}, "s": source}
    found = look(sections, trained=("d", "s"))
    assert found.errors == []
    from_root = tmp_path / "source"
    seen = set()
    for use in USES:
        for split, pairs in stored(found, sections, tmp_path, use=use, source="s").items():
            for row, (got_rainy, got_clean) in zip(pairs.rows, pairs, strict=True):
                made = json.loads(row.recipe)
                name = made["layer"]["name"]
                assert made["layer"]["split"] == split and name.startswith(f"{split}/rain/")
                layer_rainy, background = (
                    read_rgb(from_root / path) for path in (name, name.replace("/rain/", "/norain/"))
                )
                top, left, height, width = made["box"]
                whole = read_rgb(album / row.name.rpartition("-")[0])
                assert np.array_equal(got_clean, whole[top : top + height, left : left + width])
                assert np.array_equal(
                    got_rainy, slow_layer(got_clean, layer_rainy, background, made["layer"]["corner"])
                )
                for corner, have, want in zip(made["layer"]["corner"], background.shape, got_clean.shape, strict=False):
                    assert 0 <= corner <= (have - want if have >= want else have - 1)
                    seen.add(have >= want)
    assert seen == {True, False}


def test_the_source_need_not_be_trained_or_scored(own, source, look, tmp_path):
    asked = {
        "orders": [["d"]],
        "datasets": {"d": own | {"rain": {"layers_of": "s"}}, "s": source},
        "networks": {"small": {"backbone": "prenet"}},
        "methods": {"finetune": {}},
    }
    experiment = read_experiment(asked)
    assert experiment.scored_datasets == ["d"]
    assert experiment.packed_datasets == experiment.datasets_with_training_pairs == ["d", "s"]
    sources = sources_of(read_experiment(asked | {"training": {"patch": 16}}), tmp_path / "results")
    sources.check(keep=lambda write: write())
    assert counts(read_manifest(tmp_path / "results/s/manifest.csv")) == {"train": 6, "validation": 2, "test": 3}


def test_the_pairs_follow_those_of_the_source(own, source, look, tmp_path):
    sections = {"d": own | {"rain": {"layers_of": "s"}, "renders": 20}, "s": source}
    before = digests(look(sections, ("d", "s")))
    moved = shutil.move(tmp_path / "source", tmp_path / "moved")
    sections["s"] = source | {"root": str(moved)}
    assert digests(look(sections, ("d", "s"))) == before
    for number in range(100, 106):
        path = moved / f"train/rain/{number}.png"
        write(path, 255 - read_rgb(path))
    after = digests(look(sections, ("d", "s")))
    assert after["training"] != before["training"] and after["test"] == before["test"]


def test_layers_on_photographs_of_scikit_image_and_of_a_rendered_dataset(own, look, tmp_path):
    small = {"layout": "rendered", "tile": 24, "tiles": 1, "renders": 1, "train": ["rocket.jpg"]}
    sections = {"d": small | {"rain": {"layers_of": "s"}}, "s": own | {"rain": [RAIN, SLANTED]}}
    found = look(sections, ("d", "s"))
    assert found.errors == []
    pairs = stored(found, sections, tmp_path, use="test", source="s")["test"]
    of_source = PackedPairs([stores_of(found, sections, tmp_path, "s", "test")], "test")
    known = {row.name: pair for row, pair in zip(of_source.rows, of_source, strict=True)}
    for row, (got_rainy, got_clean) in zip(pairs.rows, pairs, strict=True):
        layer = json.loads(row.recipe)["layer"]
        assert np.array_equal(got_rainy, slow_layer(got_clean, *known[layer["name"]], layer["corner"]))


def test_packing_refuses_layers_of_other_pairs(own, source, look, tmp_path):
    sections = {"d": own | {"rain": {"layers_of": "s"}}, "s": source}
    found = look(sections, ("d", "s"))
    write(tmp_path / "source/test/norain/120.png", photograph(7, 60, 33))
    write(tmp_path / "source/test/norain/122.png", photograph(8, 60, 33))
    write(tmp_path / "source/test/norain/121.png", photograph(9, 30, 70))
    newer = look({"s": source}, ("s",))
    newer.manifest["d"] = found.manifest["d"]
    with pytest.raises(UserError, match="whose rain is used, changed since the run began"):
        stored(newer, sections, tmp_path, use="test", source="s")


def test_a_source_without_clean_images_has_no_layers(own, root, look, tmp_path):
    for number in range(3):
        write(tmp_path / "real" / f"{number}.png", rainy(number))
    sections = {"d": own | {"rain": {"layers_of": "s"}}, "s": {"layout": "real", "root": str(tmp_path / "real")}}
    found = look(sections | {"o": {"layout": "rendered", "rain": RAIN}}, ("o",))
    assert found.errors == ["datasets.d: rain.layers_of: s has no test pair with a clean image"]


def test_a_faulty_source_is_told_once(own, source, look, tmp_path):
    (tmp_path / "source/test/rain/120.png").write_bytes(b"junk")
    found = look({"d": own | {"rain": {"layers_of": "s"}}, "s": source}, ("d", "s"))
    (line,) = found.errors
    assert line.startswith("datasets.s: test/rain/120.png: is no image")


def test_a_test_pair_of_the_source_is_in_no_training_layer(own, source, look, tmp_path):
    """A copy in the source's training split is a leak of the source, as ever."""
    for side in ("rain", "norain"):
        shutil.copy(tmp_path / f"source/test/{side}/120.png", tmp_path / f"source/train/{side}/900.png")
    sections = {"d": own | {"rain": {"layers_of": "s"}}, "s": source}
    (line,) = look(sections, ("d", "s")).errors
    assert line.startswith("datasets.s: train/rain/900.png: its clean background is that of s/test")
    dropped = look(sections, ("d", "s"), on_leakage="drop")
    layers = [json.loads(s.recipe)["layer"]["name"] for s in dropped.manifest["d"] if s.split != "test"]
    assert layers and not any("900" in name or "test/" in name for name in layers)


# --- large photographs


def test_blocks_give_the_streaks_of_one_large_picture():
    """Against a direct sum over all starts, without blocks or Fourier transforms."""
    rain, seed, block, height, width = Rain((20, 20), (9, 9), 1.5, 0.02, (0.2, 0.4), 0.8), (3, 4), 16, 45, 37
    clean = photograph(1, height, width)
    got = add_rain_in_blocks(clean, rain, seed, block)
    streak = _streak(20, 9, 1.5)
    around, n = 2 * block, streak.shape[0] // 2 + 3
    assert n <= around
    rows, columns = (range(-2, -(-side // block) + 2) for side in (height, width))
    starts = np.block([[drawn(rain, seed, row, column, block) for column in columns] for row in rows])
    layer = gaussian_filter(convolve2d(starts, streak, mode="same"), 0.8)[around:, around:][:height, :width]
    expected = np.clip(np.rint(clean + 255 * np.maximum(layer, 0)[..., None]), 0, 255).astype(int)
    assert np.abs(expected - got).max() <= 1 and (expected != got).mean() < 1e-3
    assert (got > clean).any()


def drawn(rain, seed, row, column, block):
    rng = np.random.default_rng((*seed, row + ORIGIN, column + ORIGIN))
    return (rng.random((block, block)) < rain.density) * rng.uniform(*rain.brightness, (block, block))


def test_large_photographs_have_as_much_rain_as_small_ones():
    rain, clean = Rain(**RAIN), np.zeros((300, 400, 3), np.uint8)
    one = np.mean([add_rain(clean, rain, (n,)).mean() for n in range(8)])
    other = np.mean([add_rain_in_blocks(clean, rain, (n,), 64).mean() for n in range(8)])
    assert abs(one - other) < 0.05 * one
    assert LARGEST >= BLOCK**2


def test_a_large_photograph_is_rendered_in_blocks(album, own, look, tmp_path, monkeypatch):
    monkeypatch.setattr("derain.data.rendering.LARGEST", 24 * 24)
    found = look({"d": own})
    assert found.errors == []
    pairs = stored(found, {"d": own}, tmp_path)["train"]
    for row, (got_rainy, got_clean) in zip(pairs.rows, pairs, strict=True):
        made = json.loads(row.recipe)
        assert "derain.data.blocks" in made["code"]
        assert np.array_equal(got_rainy, add_rain_in_blocks(got_clean, Rain(**made["rain"]), tuple(made["seed"])))


# --- faults, one line each


BAD = {
    "junk": (lambda path: path.write_bytes(b"junk"), "is no image that can be read, by its content"),
    "16 bit": (lambda path: write(path, Image.fromarray(np.full((40, 40), 999, np.uint16))), "more than 8 bits"),
    "transparent": (lambda path: write(path, Image.new("RGBA", (40, 40))), "is transparent in places"),
    "tiny": (lambda path: write(path, photograph(0, 9, 30)), "is 30×9; at least 11×11 pixels are needed"),
    "smaller than the patch": (lambda path: write(path, photograph(0, 14, 30)), "smaller than training.patch = 16"),
    "link to nowhere": (lambda path: path.symlink_to("nowhere"), "is a link that leads nowhere"),
    "link to a folder that is gone": (
        lambda path: path.with_suffix("").symlink_to("/nowhere", target_is_directory=True),
        "is a link that leads nowhere",
    ),
    "circle of links": (lambda path: path.with_suffix("").symlink_to("bad"), "is a link that leads nowhere"),
    "link to its folder": (
        lambda path: path.with_suffix("").symlink_to("..", target_is_directory=True),
        "is a link to a folder that contains it",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_photograph_is_named(album, own, look, kind):
    make, words = BAD[kind]
    make(album / "summer/bad.png")
    (album / "test.txt").write_text("1\n2\n")
    section = own | {"test_share": 0, "test_list": "test.txt"}
    (line,) = look({"d": section}).errors
    assert line.startswith("datasets.d: summer/bad") and words in line
    assert look({"d": section | {"exclude": ["*bad*"]}}).errors == []


def test_small_photographs_may_be_reflected(album, own, look):
    write(album / "small.png", photograph(77, 14, 30))
    assert look({"d": own | {"small_images": "reflect"}}).errors == []


def test_odd_photographs_are_handled_as_in_the_other_layouts(album, own, look, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    write(album / "turned.jpg", photograph(60, 30, 50), exif=exif.tobytes(), quality=95)
    write(album / "grey.png", Image.fromarray(photograph(61)).convert("L"))
    write(album / "print.tif", Image.fromarray(photograph(62)).convert("CMYK"))
    write(album / "opaque.png", Image.fromarray(photograph(63)).convert("RGBA"))
    (album / "notes.txt").write_text("no image")
    (album / ".hidden.png").write_bytes(b"junk")
    sections = {"d": own | {"test_share": 0.01, "validation_share": 0.01}}
    found = look(sections)
    assert found.errors == []
    notices = {finding.file: finding.text for finding in found.findings["d"]}
    assert notices.keys() == {"turned.jpg", "grey.png", "print.tif", "opaque.png"}
    of = {sample.clean: (sample.height, sample.width) for sample in found.manifest["d"] if sample.split == "train"}
    assert of.get("turned.jpg", (50, 30)) == (50, 30)
    for pairs in stored(found, sections, tmp_path).values():
        for row, (_, clean) in zip(pairs.rows, pairs, strict=True):
            assert clean.shape == (row.height, row.width, 3)


def test_results_of_an_experiment_below_the_root_are_passed_over(album, own, look, capsys):
    before = look({"d": own}).manifest
    write(album / "summer/results/9.png", photograph(77))  # a folder of photographs: no experiment is beside it
    other = look({"d": own}).manifest
    assert len(other["d"]) > len(before["d"]) and capsys.readouterr().err == ""
    (album / "summer/.snakemake").mkdir()
    found = look({"d": own})
    assert found.manifest == before and found.errors == [] and found.findings["d"] == []
    line = f"notice: {album}/summer/results: holds the results of an experiment; passed over\n"
    assert capsys.readouterr().err == line
    assert look({"d": own | {"exclude": ["*/results"]}}).manifest == before
    assert capsys.readouterr().err == ""


def test_an_empty_root_and_a_single_photograph(root, look):
    root.mkdir()
    section = OWN | {"root": str(root)}
    assert look({"d": section}).errors == [f"datasets.d: no image found below {root}"]
    write(root / "one.png", photograph(1))
    assert look({"d": section}).errors == ["datasets.d: one training scene cannot be divided into train and test"]


def test_leaks_to_the_test_of_another_dataset_are_told_once_a_photograph(album, own, look, tmp_path):
    write_pairs(tmp_path / "other/test", [1])
    write(tmp_path / "other/test/norain/1.png", photograph(1, 41))
    write(tmp_path / "other/test/rain/1.png", rainy(1, 3, 41))
    other = {"layout": "rain-norain", "root": str(tmp_path / "other")}
    (album / "test.txt").write_text("2\n")
    section = own | {"test_share": 0, "test_list": "test.txt"}
    (line,) = look({"d": section, "o": other}).errors
    assert line.startswith("datasets.d: 1.png: its clean background is that of o/test")
    found = look({"d": section, "o": other}, on_leakage="drop")
    assert found.errors == [] and "1.png" not in {sample.clean for sample in found.manifest["d"]}


def test_the_config_of_the_document_works(album, tmp_path, look):
    """Its datasets, and the whole of it as an experiment."""
    page = (REPOSITORY / "docs/reference/datasets.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(orders:.*?)```", page, re.DOTALL)
    for number in range(10):
        write(album / f"large/{number}.png", photograph(number + 200, 70, 80))
    for split, first in (("train", 300), ("test", 320)):
        for number in range(first, first + 4):
            for side, make in (("rain", lambda n: rainy(n, 0, 70, 80)), ("norain", lambda n: photograph(n, 70, 80))):
                write(tmp_path / "heavy" / split / side / f"{number}.png", make(number))
    text = text.replace("/my/photographs", str(album / "large")).replace("/data/heavy", str(tmp_path / "heavy"))
    sections = yaml.safe_load(text)
    assert read_experiment(sections).packed_datasets == ["fine", "mixed", "moved", "heavy"]
    found = look(sections["datasets"], ("fine", "mixed", "moved"), training=sections["training"])
    assert found.errors == []
    splits = [{s.scene: s.split for s in found.manifest[name]} for name in ("fine", "mixed", "moved")]
    assert splits[0] == splits[1] == splits[2] and counts(found.manifest["moved"])["test"] == 2


SECTIONS = {"layout": "rendered", "rain": RAIN}
WRONG = {
    "no folder": ({"d": OWN | {"root": "/nowhere"}}, "datasets.d.root: there is no folder '/nowhere'"),
    "names as well": ({"d": OWN | {"root": "/", "train": ["a.png"]}}, "datasets.d.train: names photographs of"),
    "no test split": ({"d": OWN | {"root": "/", "test_share": 0}}, "datasets.d: with `root`, test_share or test_list"),
    "two test splits": ({"d": OWN | {"root": "/", "test_list": "a"}}, "datasets.d: test_share and test_list exclude"),
    "share without root": ({"d": SECTIONS | {"test_share": 0.2}}, "datasets.d.test_share: needs `root`"),
    "list without root": ({"d": SECTIONS | {"test_list": "a"}}, "datasets.d.test_list: needs `root`"),
    "no rain": ({"d": SECTIONS | {"rain": []}}, "datasets.d.rain: is empty"),
    "a wrong kind": ({"d": SECTIONS | {"rain": [RAIN, RAIN | {"width": 0}]}}, "datasets.d.rain[1].width: should be"),
    "a misspelt key": (
        {"d": SECTIONS | {"rain": [RAIN | {"lenght": [1, 2]}]}},
        "datasets.d.rain[0].lenght: unknown key; did you mean 'length'?",
    ),
    "a rain that is a number": ({"d": SECTIONS | {"rain": 3}}, "datasets.d.rain: should be keys with values, not 3"),
    "a misspelt source": (
        {"d": SECTIONS | {"rain": {"layers_of": "heavi"}}, "heavy": SECTIONS},
        "datasets.d.rain.layers_of: no dataset is called 'heavi'; did you mean 'heavy'?",
    ),
    "a misspelt layers_of": (
        {"d": SECTIONS | {"rain": {"layer_of": "d"}}},
        "datasets.d.rain.layer_of: unknown key; did you mean 'layers_of'?",
    ),
    "its own rain": (
        {"d": SECTIONS | {"rain": {"layers_of": "d"}}},
        "datasets.d.rain.layers_of: a dataset cannot take its own rain layers",
    ),
    "a circle": (
        {"d": SECTIONS | {"rain": {"layers_of": "e"}}, "e": SECTIONS | {"rain": {"layers_of": "d"}}},
        "datasets.d.rain.layers_of: 'e' has no rain of its own, but that of 'd'",
    ),
    "a chain": (
        {
            "d": SECTIONS | {"rain": {"layers_of": "e"}},
            "e": SECTIONS | {"rain": {"layers_of": "f"}},
            "f": SECTIONS,
        },
        "datasets.d.rain.layers_of: 'e' has no rain of its own, but that of 'f'",
    ),
    "a source without training pairs": (
        {"d": SECTIONS | {"rain": {"layers_of": "e"}}, "e": {"layout": "real", "root": "/"}},
        "datasets.d.rain.layers_of: 'e' has no training pairs, whose layers training pairs take",
    ),
    "a tile too small to score": ({"d": SECTIONS | {"tile": 10}}, "datasets.d.tile: should be greater than or equal"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_config_is_told_in_one_line(look, case):
    sections, line = WRONG[case]
    (only,) = faults_of(look, sections)
    assert only.startswith(f"config: {line}")
