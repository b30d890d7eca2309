"""The line of a split that identifies the release of a dataset."""

from types import SimpleNamespace

import numpy as np
import pytest
from derain.evaluation.dataset_summary import summarise


class Pairs(list):
    """Pairs of even images of 12 rows and 20 columns, used as a PackedPairs."""

    def __init__(self, scenes):
        super().__init__((np.full((12, 20, 3), 100, np.uint8), np.full((12, 20, 3), 110, np.uint8)) for _ in scenes)
        self.rows = [SimpleNamespace(scene=scene, height=12, width=20, clean="c.png") for scene in scenes]


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
