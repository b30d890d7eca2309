import csv
import math
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from derain.evaluation.metrics import METRICS, score
from derain.evaluation.restoring import clamped_output
from derain.evaluation.rounding import ROUNDINGS
from derain.evaluation.scores import COLUMNS, RAINY_COLUMNS, idle_processors, score_outputs, score_rainy, write_scores
from derain.evaluation.tiles import TILE, restored
from precision import UNIT32, of_roundings

pytestmark = pytest.mark.numerical


@pytest.fixture
def uniform():
    """Outputs that lie anywhere between two levels, (H, W, 3) in [0, 1]."""
    return np.random.default_rng(0).uniform(0, 1, (160, 200, 3)).astype(np.float32)


class Pairs(list):
    """(rainy, clean) images in memory, used as a PackedPairs."""

    @property
    def rows(self):
        return [SimpleNamespace(name=f"test/{n}.png") for n in range(len(self))]


@pytest.fixture
def pairs():
    """Three scored pairs and two real rainy images, all unequal."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 2, 16, 20, 3)).astype(np.uint8)
    return Pairs((rainy, clean if n < 3 else None) for n, (rainy, clean) in enumerate(images))


def test_values_between_two_levels_go_to_the_nearest_or_down_or_stay():
    output = np.array([0, 0.4, 0.6, 1, 99.9, 100, 254.4, 254.6, 255], np.float64)
    output32 = (output / 255).astype(np.float32)
    assert ROUNDINGS["nearest"](output32).tolist() == [0, 0, 1, 1, 100, 100, 254, 255, 255]
    assert ROUNDINGS["truncate"](output32).tolist() == [0, 0, 0, 1, 99, 100, 254, 254, 255]
    np.testing.assert_allclose(
        ROUNDINGS["none"](output32), output, rtol=of_roundings(2)
    )  # to float32; the product is float64


def test_two_roundings_give_8_bits_and_the_third_does_not(uniform):
    assert {name: round_to(uniform).dtype for name, round_to in ROUNDINGS.items()} == {
        "nearest": np.uint8,
        "truncate": np.uint8,
        "none": np.float64,
    }


def test_truncate_is_the_line_of_the_authors_of_prenet(uniform):
    assert np.array_equal(ROUNDINGS["truncate"](uniform), np.uint8(255 * uniform))


def test_every_8_bit_level_survives_rounding_to_the_nearest():
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(ROUNDINGS["nearest"](levels.astype(np.float32) / 255), levels)


def test_truncation_costs_four_times_the_error_of_rounding(uniform):
    truth = uniform.astype(np.float64) * 255
    found = {name: score(round_to(uniform), truth)["psnr_rgb_db"] for name, round_to in ROUNDINGS.items()}
    # The error is uniform over a level: mean square 1/12 about the nearest one, 1/3 about the one below.
    assert found["nearest"] == pytest.approx(10 * math.log10(255**2 * 12), abs=0.05)
    assert found["truncate"] == pytest.approx(10 * math.log10(255**2 * 3), abs=0.05)
    assert found["none"] == math.inf


def test_values_that_are_not_rounded_are_scored_as_floats():
    clean = np.full((16, 16, 3), 100, np.uint8)
    off = ROUNDINGS["none"](np.full((16, 16, 3), 100.25 / 255, np.float32))
    decibels = 2 * 20 / math.log(10) * 100.25 * UNIT32 / 0.25  # of the error of 0.25 levels, 100.25 of them rounded
    assert score(off, clean)["psnr_rgb_db"] == pytest.approx(20 * math.log10(255 / 0.25), abs=decibels)


class Stretch(torch.nn.Module):
    """1.2 x − 0.1: leaves [0, 1] on both sides. Counts its calls."""

    def __init__(self):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(1.2))
        self.calls = 0

    def forward(self, rainy):
        self.calls += 1
        return self.factor * rainy - 0.1


def test_outputs_are_clamped_but_not_rounded():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    output = clamped_output(Stretch(), levels)
    rounding = 1.2 * of_roundings(5)  # of the level, of 1.2, of their product, of 0.1 and of the difference
    np.testing.assert_allclose(output, np.clip(1.2 * levels / 255 - 0.1, 0, 1), rtol=0, atol=rounding)
    assert output.dtype == np.float32
    assert np.array_equal(restored(Stretch(), levels, TILE), np.rint(255 * output).astype(np.uint8))


def test_an_image_passes_through_the_network_once_whatever_is_scored_and_shown(pairs):
    network = Stretch()
    rows, shown = score_outputs("rain", pairs, partial(clamped_output, network), list(ROUNDINGS), previews=[0, 1])
    assert network.calls == 3  # real rain, which has no score, only where it is shown
    assert len(rows) == 3 * len(ROUNDINGS)
    assert list(shown) == ["rain/0", "rain/1"]
    assert np.array_equal(shown["rain/1"], restored(network, pairs[1][0], TILE))


def test_real_rain_is_shown_and_not_scored(pairs):
    rows, shown = score_outputs("rain", pairs, lambda rainy: rainy / np.float32(255), ["nearest"], previews=range(4))
    assert [row["image"] for row in rows] == ["test/0.png", "test/1.png", "test/2.png"]
    assert list(shown) == ["rain/0", "rain/1", "rain/2", "rain/3"]


def test_rows_are_those_of_each_rounding_by_itself(pairs):
    network = Stretch()
    rows, _ = score_outputs("rain", pairs, partial(clamped_output, network), ["truncate", "nearest"])
    assert [row["rounding"] for row in rows] == ["truncate", "nearest"] * 3
    rainy, clean = pairs[0]
    for row in rows[:2]:
        expected = score(ROUNDINGS[row["rounding"]](clamped_output(network, rainy)), clean)
        assert {metric: row[metric] for metric in METRICS} == expected
    assert rows[0]["psnr_y_db"] != rows[1]["psnr_y_db"]


@pytest.mark.parametrize("scorers", [1, 2, 5])
def test_rows_and_previews_are_the_same_with_threads_that_score_beside_the_network(scorers, pairs):
    def scored(scorers):
        return score_outputs(
            "rain", pairs, partial(clamped_output, Stretch()), list(ROUNDINGS), [0, 3], scorers=scorers
        )

    rows, shown = scored(0)
    beside, shown_beside = scored(scorers)
    assert beside == rows
    assert list(shown_beside) == list(shown)
    assert all(np.array_equal(shown_beside[name], image) for name, image in shown.items())


def test_a_scorer_that_fails_ends_the_scoring(pairs, monkeypatch):
    monkeypatch.setattr("derain.evaluation.scores.score", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        score_outputs("rain", pairs, partial(clamped_output, Stretch()), ["nearest"], scorers=2)


def test_on_the_cpu_no_processor_is_idle_while_the_network_restores():
    assert idle_processors(Stretch()) == 0
    if torch.cuda.is_available():
        assert idle_processors(Stretch().cuda()) > 0


def test_the_rainy_input_has_8_bits_and_so_no_rounding(pairs, tmp_path: Path):
    rows = score_rainy("rain", pairs)
    write_scores(tmp_path / "rainy.csv", rows, RAINY_COLUMNS)
    scored, _ = score_outputs("rain", pairs, lambda rainy: rainy / np.float32(255), ["nearest"])
    assert [{**row, "rounding": "nearest"} for row in rows] == scored
    with (tmp_path / "rainy.csv").open() as file:
        read = list(csv.DictReader(file))
    assert len(read) == 3
    assert set(COLUMNS) - set(read[0]) == {"rounding"}
