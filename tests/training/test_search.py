import csv
import math

import numpy as np
import pytest
import torch
from derain.files import tensors
from derain.training.search import Candidate, choose, last_validation, moves
from entry import Files, run_script

pytestmark = pytest.mark.numerical

RAINY = 20.0


def _candidates(**psnr_by_scale):
    """Candidates in the order given; scale0_3=25 is scale 0.3 with 25 dB on the validation pairs."""
    return [
        Candidate(float(name.removeprefix("scale").replace("_", ".")), psnr, 0.1, 0.1)
        for name, psnr in psnr_by_scale.items()
    ]


@pytest.mark.parametrize(
    ("give_up", "scale"),
    [
        (0.0, 0.1),  # 30.0 dB is wanted, the whole gain of the free network
        (0.05, 0.1),  # 29.5
        (0.1, 1),  # 29.0, which scale 1 has to the digit
        (0.2, 1),  # 28
        (0.5, 3),  # 25
        (0.99, 10),  # 20.1
    ],
)
def test_the_strongest_candidate_that_keeps_its_share_of_the_free_gain_is_chosen(give_up, scale):
    candidates = _candidates(scale0=30.0, scale10=21.0, scale3=26.0, scale1=29.0, scale0_1=30.2)
    assert choose(candidates, RAINY, give_up).scale == scale
    assert choose(candidates[::-1], RAINY, give_up).scale == scale  # in whatever order they come


def test_a_strong_candidate_may_qualify_where_a_weaker_one_does_not():
    assert choose(_candidates(scale0=30.0, scale3=29.5, scale1=28.0), RAINY, 0.1).scale == 3


def test_where_none_keeps_enough_the_free_candidate_is_taken():
    assert choose(_candidates(scale0=30.0, scale3=22.0, scale1=25.0), RAINY, 0.1).scale == 0


def test_a_candidate_better_than_the_free_one_qualifies():
    assert choose(_candidates(scale0=30.0, scale3=31.0), RAINY, 0.0).scale == 3


def test_where_training_gains_nothing_there_is_nothing_to_give_up():
    """A share of a negative gain would let candidates through that are worse still, or none."""
    assert choose(_candidates(scale0=19.0, scale3=18.99), RAINY, 0.1).scale == 0
    assert choose(_candidates(scale0=19.0, scale3=18.99, scale1=19.5), RAINY, 0.5).scale == 1
    assert choose(_candidates(scale0=RAINY, scale3=19.99), RAINY, 0.9).scale == 0


def test_a_candidate_that_failed_to_a_nan_is_not_chosen():
    assert choose(_candidates(scale0=30.0, scale3=math.nan, scale1=29.9), RAINY, 0.1).scale == 1


def test_moves_are_the_relative_norm_and_the_bound_weighted_by_omega():
    before = {"a": np.array([3.0, 0.0], np.float32), "b": np.array([[4.0]], np.float32)}
    after = {"a": np.array([3.0, -2.0], np.float32), "b": np.array([[5.5]], np.float32)}
    omega = {"a": np.array([7.0, 0.5], np.float32), "b": np.array([[2.0]], np.float32)}
    move, bound = moves(before, after, omega)
    assert move == pytest.approx(math.sqrt(2**2 + 1.5**2) / 5)
    assert bound == pytest.approx(0.5 * 2 + 2 * 1.5)
    assert moves(before, before, omega) == (0, 0)


def test_without_omega_there_is_no_bound():
    weights = {"a": np.ones(2, np.float32)}
    move, bound = moves(weights, {"a": 2 * np.ones(2, np.float32)}, None)
    assert move == 1
    assert math.isnan(bound)


def test_small_moves_of_large_weights_are_told_in_full():
    before = {"a": torch.full((1000,), 1.0).numpy()}
    after = {"a": np.nextafter(before["a"], np.float32(2))}
    assert moves(before, after, None)[0] == pytest.approx(2**-23, rel=1e-6)


def test_the_last_validation_is_that_of_the_last_row(tmp_path):
    table = tmp_path / "training.csv"
    table.write_text("step,validation_psnr_rgb_db\n1,20.5\n50,\n100,31.25\n", encoding="utf-8")
    assert last_validation(table) == 31.25


def test_a_validation_that_was_not_measured_is_no_number(tmp_path):
    table = tmp_path / "training.csv"
    table.write_text("step,validation_psnr_rgb_db\n1,20.5\n100,\n", encoding="utf-8")
    assert math.isnan(last_validation(table))


# --- the jobs


def test_the_jobs_choose_by_validation_pairs_alone_and_adopt_what_was_chosen(tmp_path, pairs, monkeypatch):
    opened = []

    def store(stores, split):
        opened.append((list(stores), split))
        return pairs

    monkeypatch.setattr("derain.data.store.PackedPairs", store)
    old = tmp_path / "old.safetensors"
    tensors.write(old, {"w": np.array([3.0, 4.0], np.float32)}, {})
    omega = tmp_path / "omega.safetensors"
    tensors.write(omega, {"w": np.array([1.0, 2.0], np.float32)}, {})
    # Rainy is 255 − clean here, so below 10 dB; free gains the most, scale 1 a little less.
    scales, ends, thetas, tables = [0.0, 3.0, 1.0], [30.0, 12.0, 29.0], [], []
    for scale, end in zip(scales, ends, strict=True):
        thetas.append(tmp_path / f"{scale}.safetensors")
        tensors.write(thetas[-1], {"w": np.array([3.0, 4 + scale], np.float32)}, {})
        tables.append(tmp_path / f"{scale}.csv")
        tables[-1].write_text(f"step,validation_psnr_rgb_db\n1,0\n2,{end}\n", encoding="utf-8")
    choice = tmp_path / "strength.csv"
    given = {"theta": old, "omega": omega, "thetas": thetas, "trainings": tables, "tables": ["t"], "pixels": ["p"]}
    recipe = {"code": {}, "datasets": {"b": "digest"}, "scales": scales, "give_up": 0.1}
    run_script("choose", input=Files(given), output=[choice], params=Files(recipe=recipe), log=[None])
    assert opened == [([("t", "p", "digest")], "validation")]
    with choice.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    mse = [((rainy.astype(float) - clean) ** 2).mean() for rainy, clean in pairs]
    rainy_psnr = float(np.mean([10 * math.log10(255**2 / value) for value in mse]))
    for row, scale, end in zip(rows, scales, ends, strict=True):
        assert float(row["scale"]) == scale
        assert float(row["validation_psnr_rgb_db"]) == end
        assert float(row["relative_move"]) == pytest.approx(scale / 5)
        assert float(row["bound"]) == pytest.approx(2 * scale)
        assert float(row["rainy_psnr_rgb_db"]) == pytest.approx(rainy_psnr)
    assert [row["chosen"] for row in rows] == ["False", "False", "True"]

    made = {"theta": tmp_path / "theta.safetensors", "table": tmp_path / "training.csv"}
    run_script("adopt", input=Files(choice=choice, thetas=thetas, trainings=tables), output=Files(made), log=[None])
    assert made["theta"].read_bytes() == thetas[2].read_bytes()
    assert made["table"].read_text(encoding="utf-8") == tables[2].read_text(encoding="utf-8")
