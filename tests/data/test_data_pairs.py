"""Pairs that are refused or accepted: partners, sizes, and which splits need clean images."""

import numpy as np
import pytest
from trees import BAD, handled, photograph, rainy, refused, write, write_pairs


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


@pytest.mark.parametrize("folder", ["train/rain", "test/norain"])
def test_a_folder_without_images(folder, tree, check):
    for file in (tree / folder).iterdir():
        file.unlink()
    (line,) = check().errors
    assert "no image found" in line and f"{folder}/{{scene}}.*" in line


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


def test_side_by_side_of_odd_width(root, look):
    for n in range(1, 5):
        write(root / "train" / f"{n}.png", np.concatenate([photograph(n), rainy(n)], axis=1))
        write(root / "test" / f"{n}.png", np.concatenate([photograph(10 + n), rainy(10 + n)], axis=1))
    write(root / "train" / "3.png", np.concatenate([photograph(3), rainy(3)], axis=1)[:, :-1])
    found = look({"d": {"layout": "side-by-side", "clean": "left", "root": str(root)}})
    refused(found, "train/3.png", "111 pixels wide", "even width")


def test_smaller_than_the_patch(tree, check, look):
    for side, picture in (("rain", rainy(3)), ("norain", photograph(3))):
        write(tree / "train" / side / "3.png", picture[:14])
    refused(check(), BAD, "56×14, smaller than training.patch = 16", "small_images: reflect")
    assert check(small_images="reflect").errors == []
