"""Training pairs that are those of a test, in whatever dataset, and none that are not."""

import numpy as np
import pytest
from derain.data.inspection import inspect
from derain.data.leaks import View, find_leaks
from trees import counts, photograph, rainy, write, write_pairs


@pytest.fixture
def two(root):
    """Dataset a to train on, dataset b with a test set; sections by name."""
    write_pairs(root / "a" / "train", range(1, 9))
    write_pairs(root / "a" / "test", range(11, 13))
    write_pairs(root / "b" / "test", range(21, 24))
    return {name: {"layout": "rain-norain", "root": str(root / name)} for name in ("a", "b")}


def test_no_leak_among_different_photographs(two, look):
    found = look(two, ("a",))
    assert found.errors == [] and found.findings["a"] == []


COPIES = {
    "same": (lambda pixels: pixels, "png", {}),
    "jpeg": (lambda pixels: pixels, "jpg", {"quality": 40}),
    "cropped": (lambda pixels: pixels[1:, :-1], "png", {}),
    "cropped jpeg": (lambda pixels: pixels[:-1, 1:], "jpg", {"quality": 60}),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_clean_background_of_another_datasets_test(two, root, look, kind):
    change, extension, options = COPIES[kind]
    write(root / "a" / "train" / "norain" / "3.png", photograph(3, 80, 112))
    write(root / "a" / "train" / "rain" / "3.png", rainy(3, 0, 80, 112))
    # A rain of the size of the copy, so that the pair is sound.
    height, width = change(photograph(3, 80, 112)).shape[:2]
    write(root / "b" / "test" / "rain" / "9.png", rainy(99, 5, height, width))
    write(root / "b" / "test" / "norain" / f"9.{extension}", change(photograph(3, 80, 112)), **options)
    (line,) = look(two, ("a",)).errors
    assert "datasets.a: train/rain/3.png" in line and "clean background" in line and "b/test" in line


@pytest.mark.parametrize("kind", COPIES)
def test_a_rainy_image_among_real_rain(two, root, look, kind):
    change, extension, options = COPIES[kind]
    write(root / "a" / "train" / "norain" / "4.png", photograph(4, 80, 112))
    write(root / "a" / "train" / "rain" / "4.png", rainy(4, 0, 80, 112))
    for number in (31, 32):
        write(root / "real" / f"{number}.png", rainy(number))
    write(root / "real" / f"x.{extension}", change(rainy(4, 0, 80, 112)), **options)
    (line,) = look(two | {"real": {"layout": "real", "root": str(root / "real")}}, ("a",)).errors
    assert "datasets.a: train/rain/4.png" in line and "rainy image" in line and f"x.{extension}" in line


def test_within_one_dataset(two, root, look):
    write_pairs(root / "a" / "test", [5], rain=8)
    (line,) = look({"a": two["a"]}, ("a",)).errors
    assert "train/rain/5.png" in line and "a/test" in line


def test_drop_and_warn(two, root, look, capsys):
    write_pairs(root / "b" / "test", [2, 5], rain=8)
    before = look({"a": two["a"]}, ("a",)).manifest["a"]
    assert counts(before) == {"train": 7, "validation": 1, "test": 2}

    warned = look(two, ("a",), on_leakage="warn")
    assert warned.errors == [] and warned.manifest["a"] == before
    assert [finding.file for finding in warned.findings["a"]] == ["train/rain/2.png", "train/rain/5.png"]
    assert "2 pairs that also occur in a test set stay in" in capsys.readouterr().err

    dropped = look(two, ("a",), on_leakage="drop")
    assert dropped.errors == [] and counts(dropped.manifest["a"]) == {"train": 5, "validation": 1, "test": 2}
    assert not {"train/rain/2.png", "train/rain/5.png"} & {sample.rainy for sample in dropped.manifest["a"]}
    assert counts(dropped.manifest["b"])["test"] == 5


def test_nothing_left_to_train_on(two, root, look):
    write_pairs(root / "b" / "test", range(1, 9), rain=8)
    found = look(two, ("a",), on_leakage="drop")
    assert found.errors == ["datasets.a: no train pair is left"]


def test_what_leaked_before_is_remembered(two, root, look, tmp_path, monkeypatch):
    write_pairs(root / "b" / "test", [2], rain=8)
    lines = look(two, ("a",)).errors
    monkeypatch.setattr("derain.data.sources.find_leaks", lambda *_: pytest.fail("asked twice"))
    assert look(two, ("a",)).errors == lines != []
    assert (tmp_path / "results" / "leaks.json").is_file()


def test_photographs_that_rain_is_rendered_on(look):
    rain = {"angle": [0, 1], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.2]}
    one = {"layout": "rendered", "rain": rain, "train": ["chelsea.png"], "test": ["astronaut.png"]}
    other = {"layout": "rendered", "rain": rain, "train": ["ihc.png"], "test": ["chelsea.png"]}
    lines = look({"one": one, "other": other}, ("one",)).errors
    assert lines and all("datasets.one: chelsea.png" in line for line in lines)


def test_simple_pictures_are_no_copies_of_each_other(tmp_path):
    """Gradients, stripes, even areas, blocks: few low frequencies, and still not one picture."""
    y, x = np.mgrid[:48, :64] / 64
    grey = [x, 1 - x, y, x * y, np.sin(9 * x) / 2 + 0.5, np.sin(9 * y) / 2 + 0.5, (x > 0.5) * 1.0, 0 * x, 0 * x + 0.5]
    pictures = [
        (255 * np.stack([g * r, g * s, g], axis=-1)).astype(np.uint8) for g in grey for r, s in ((1, 1), (0.3, 0.8))
    ]
    views = []
    for number, pixels in enumerate(pictures):
        path = write(tmp_path / f"{number}.png", pixels)
        views.append(View(str(number), {"clean": inspect(path, [""]).pictures[""]}))
    different = [n for n in range(len(views)) if not np.array_equal(pictures[n], pictures[n - 1])]
    for n in different:
        others = [views[m] for m in different if m != n and not np.array_equal(pictures[m], pictures[n])]
        assert find_leaks([views[n]], others) == []
