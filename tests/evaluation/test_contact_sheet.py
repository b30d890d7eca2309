"""The contact sheet shows the pairs that it names, where it should."""

import io
from hashlib import sha256
from types import SimpleNamespace

import numpy as np
import pytest
from derain.data.packing import pack
from derain.data.samples import Sample
from derain.data.store import PackedPairs
from derain.evaluation.contact_sheet import GAP, LIMIT, LINE, SIDE, contact_sheet
from PIL import Image
from trees import photograph, rainy, write


class Pairs(list):
    """(rainy, clean) in memory, used as a PackedPairs."""

    def __init__(self, images, name="{}.png"):
        super().__init__(images)
        self.rows = [SimpleNamespace(name=name.format(n)) for n in range(len(images))]


def pictures(count, height=40, width=56, first=0):
    return [(rainy(first + n, 0, height, width), photograph(first + n, height, width)) for n in range(count)]


def pixels_of(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg))).astype(int)


def at(sheet, place, height, width):
    """Where the pair at a place stands, rainy and clean, (height, 2 * width, 3)."""
    top, left = place // 4 * (SIDE + LINE + GAP) + LINE, place % 4 * (2 * SIDE + GAP)
    return sheet[top : top + height, left : left + 2 * width]


def test_four_pairs_of_each_split_from_the_first_to_the_last(tmp_path):
    splits = {"train": Pairs(pictures(9)), "validation": Pairs(pictures(2, first=20)), "test": Pairs(pictures(4, 48))}
    sheet = pixels_of(contact_sheet(splits))
    assert sheet.shape == (3 * (SIDE + LINE + GAP) - GAP, 4 * (2 * SIDE + GAP) - GAP, 3)
    shown = [("train", n) for n in (0, 2, 5, 8)] + [("validation", n) for n in (0, 1)]
    shown += [("test", n) for n in (0, 1, 2, 3)]
    for place, (split, number) in enumerate(shown):
        pair = np.concatenate(splits[split][number], axis=1).astype(int)
        found = at(sheet, place, pair.shape[0], pair.shape[1] // 2)
        assert np.sqrt(np.mean((found - pair) ** 2)) < 12, (split, number)  # JPEG
        others = [np.mean((found - np.concatenate(other, axis=1)) ** 2) for other in splits[split]]
        assert np.argmin(others) == number
    assert (at(sheet, len(shown), SIDE, SIDE) > 250).all()


def test_large_images_show_their_centre_and_real_rain_stands_alone():
    large = np.zeros((SIDE + 100, SIDE + 50, 3), np.uint8)
    large[50:-50, 25:-25] = 200
    sheet = pixels_of(contact_sheet({"test": Pairs([(large, None)])}))
    assert sheet.shape == (SIDE + LINE, 2 * SIDE, 3)
    assert np.abs(sheet[LINE:, :SIDE] - 200).max() <= 3 and (sheet[LINE:, SIDE + 8 :] > 250).all()


def test_one_split_fills_the_sheet():
    sheet = pixels_of(contact_sheet({"train": Pairs([]), "test": Pairs(pictures(30))}))
    assert sheet.shape[0] == 3 * (SIDE + LINE + GAP) - GAP


@pytest.mark.parametrize("name", ["{}.png", "größe/" * 30 + "{}.png", "{}.png" + "W" * 300, ""])
def test_names_of_any_length_and_letters_stand_above_the_pair(name):
    empty = pixels_of(contact_sheet({"test": Pairs(pictures(2), "")}))
    sheet = pixels_of(contact_sheet({"test": Pairs(pictures(2), name)}))
    assert sheet.shape == empty.shape and (sheet[:LINE] < 128).any()
    assert np.abs(sheet[LINE + 8 :] - empty[LINE + 8 :]).max() == 0
    assert (sheet[: LINE - 2, 2 * SIDE + 1 : 2 * SIDE + GAP] > 200).all()  # between the pairs


def test_noise_is_below_the_limit():
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    assert len(contact_sheet({"test": Pairs([(noise, noise.copy())] * 12)})) <= LIMIT


def test_equal_pairs_give_equal_bytes_packed_anywhere(tmp_path):
    samples = []
    for n in range(3):
        write(tmp_path / f"rain/{n}.png", rainy(n))
        write(tmp_path / f"norain/{n}.png", photograph(n))
        sha = [sha256(pixels.tobytes()).hexdigest() for pixels in (rainy(n), photograph(n))]
        samples.append(Sample("test", f"{n}", f"{n}", f"rain/{n}.png", f"norain/{n}.png", "", "", 40, 56, *sha))
    sheets = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        table, pixels = tmp_path / folder / "pairs.csv", tmp_path / folder / "pixels.bin"
        pack(samples, tmp_path, pixels, table, 1)
        sheets.append(contact_sheet({"test": PackedPairs([(table, pixels, None)], "test")}))
    in_memory = Pairs([(rainy(n), photograph(n)) for n in range(3)], "{}")
    assert sheets[0] == sheets[1] == contact_sheet({"test": in_memory})
