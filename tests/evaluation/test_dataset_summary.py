"""The line of a split that identifies the release of a dataset, and the warning of rendered pairs without rain."""

from types import SimpleNamespace

import numpy as np
import pytest
from derain.data.findings import WARNING, Finding
from derain.evaluation.dataset_summary import SCORED, summarise


class Pairs(list):
    """Pairs of even images of 12 rows and 20 columns, used as a PackedPairs."""

    def __init__(self, scenes):
        super().__init__((np.full((12, 20, 3), 100, np.uint8), np.full((12, 20, 3), 110, np.uint8)) for _ in scenes)
        self.rows = [
            SimpleNamespace(scene=scene, height=12, width=20, clean="c.png", recipe="", name=scene) for scene in scenes
        ]

    def without_rain(self, numbers, recipe):
        """Pairs of which these have two equal images."""
        for number in numbers:
            self[number] = (self[number][1], self[number][1])
            self.rows[number].recipe = recipe
        return self


@pytest.mark.parametrize(
    ("scenes", "counted"),
    [
        ("abc", "3 pairs of 3 scenes, "),
        ("abca", "4 pairs of 3 scenes (2 of a), "),
        ("aabb", "4 pairs of 2 scenes, "),  # all have several, as in Rain1400
        ("aabbccdde", "9 pairs of 5 scenes, "),
    ],
)
def test_few_scenes_with_several_pairs_are_named_and_sizes_are_width_by_height(scenes, counted):
    (line,) = summarise({"test": Pairs(scenes), "train": Pairs("")}, 1, "d", "wang2009")
    assert line.text.startswith(f"{counted}20×12 (1 size), rainy input ")


def test_rendered_pairs_without_rain_are_counted_in_a_warning_of_their_split():
    splits = {"train": Pairs("abc").without_rain([1], "{}"), "test": Pairs("abcd").without_rain([1, 3], "{}")}
    _, of_training, _, of_test = summarise(splits, 1, "d", "wang2009")
    text = "have no rain: their images are equal, which counts as 100 dB; the first is b"
    assert of_training == Finding(WARNING, "train", "", f"1 of 3 pairs {text}")
    assert of_test == Finding(WARNING, "test", "", f"2 of 4 pairs {text}")
    assert len(summarise({"test": Pairs("abc").without_rain([1], "")}, 1, "d", "wang2009")) == 1


def test_of_many_training_pairs_only_the_scored_ones_are_looked_at():
    pairs = Pairs("a" * (SCORED + 5)).without_rain(range(SCORED + 5), "{}")
    line, warning = summarise({"train": pairs}, 1, "d", "wang2009")
    assert f"(mean of {SCORED})" in line.text and warning.text.startswith(f"{SCORED} of {SCORED} pairs have no rain")
