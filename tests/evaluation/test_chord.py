"""The chord of a stage: its table, the line through it, and what a method has above it."""

import csv
import math

import numpy as np
import pandas as pd
import pytest
from derain.data.store import PackedPairs
from derain.evaluation.chord import above_chord, chord_table, height, points
from derain.evaluation.metrics import METRICS
from derain.evaluation.restoring import clamped_output
from derain.files import tensors
from derain.networks import build, weights
from entry import Files, run_script
from tiny import TINY


def _scores(file, values, roundings=("nearest",)):
    """A table of scores: value ± 1 dB of two images of each dataset, and of a third one that is restored exactly."""
    rows = [
        {"dataset": dataset, "image": str(n), "rounding": rounding} | dict.fromkeys(METRICS, score)
        for dataset, value in values.items()
        for rounding in roundings
        for n, score in enumerate((value - 1, value + 1, math.inf))
    ]
    pd.DataFrame(rows).to_csv(file, index=False)
    return str(file)


def _stage(*datasets, **more):
    place = {"network": "net", "seed": 0, "method": "finetune", "datasets": list(datasets), "line": True}
    return place | {"blends": [("-", 0.5)]} | more


def test_a_row_has_the_mean_over_old_datasets_beside_the_newest_at_both_ends_and_at_each_alpha(tmp_path):
    files = [
        _scores(tmp_path / "before.csv", {"a": 30, "b": 20, "c": 10, "far": 5}),
        _scores(tmp_path / "after.csv", {"a": 24, "b": 16, "c": 22, "far": 5}),
        _scores(tmp_path / "0.5.csv", {"a": 29, "b": 19, "c": 18}),
        _scores(tmp_path / "0.25.csv", {"a": 30, "b": 20, "c": 14}),
        _scores(tmp_path / "omega.csv", {"a": 30, "b": 19, "c": 18}),
    ]
    stage = _stage("a", "b", "c", blends=[("-", 0.5), ("-", 0.25), ("fisher", 0.5)])
    table = chord_table([(stage, files)])
    assert (table["datasets"] == "a>b>c").all()
    third = [(2 * value + 100) / 3 for value in (25, 25, 24, 20, 24.5)]  # an exact image counts 100 dB
    plain = table[table["importance"] == "-"]
    assert plain["alpha"].tolist() == [0, 0.25, 0.5, 1]
    assert plain["line"].all()
    assert plain["old_psnr_y_db"].tolist() == pytest.approx(third[:4])
    assert plain["new_psnr_rgb_db"].tolist() == pytest.approx([(2 * value + 100) / 3 for value in (10, 14, 18, 22)])
    weighted = table[table["importance"] == "fisher"]
    assert weighted["alpha"].tolist() == [0, 0.5, 1]
    assert not weighted["line"].any()
    assert weighted["old_psnr_y_db"].iloc[1] == pytest.approx(third[4])


def test_scores_in_several_parts_and_roundings_are_told_apart(tmp_path):
    both = ("nearest", "none")
    parts = [_scores(tmp_path / f"{n}.csv", {name: n}, both) for n, name in enumerate("abab")]
    blend = _scores(tmp_path / "blend.csv", {"a": 8, "b": 9}, both)
    table = chord_table([(_stage("a", "b", line=False), [*parts, blend])])
    assert table["rounding"].tolist() == [*both] * 3
    assert not table["line"].any()
    found = table.loc[table["rounding"] == "none", ["old_psnr_y_db", "new_psnr_y_db"]].to_numpy()
    np.testing.assert_allclose(found * 3 - 100, 2 * np.array([[0, 1], [8, 9], [2, 3]]))


LINE = [(30, 20), (28, 24), (22, 27)]


@pytest.mark.parametrize(
    ("old", "new"),
    [(30, 20), (29, 22), (28, 24), (26, 25), (22, 27), (31, 20), (10, 27)],  # the two last: the nearest end
)
def test_the_line_is_linear_between_its_points_and_ends_at_its_ends(old, new):
    assert height(LINE, old) == pytest.approx(new)


def test_where_the_line_has_a_score_twice_the_better_rival_counts():
    assert height([(30, 20), (31, 22), (29, 26)], 30) == pytest.approx(24)
    assert height([(30, 20), (30, 23), (29, 26)], 30.5) == 23
    assert height([(30, 20), (28, 19), (30, 23)], 29) == pytest.approx(21)


def test_the_line_is_that_of_another_interpolation():
    rng = np.random.default_rng(0)
    old, new = np.sort(rng.uniform(20, 30, 6)), rng.uniform(20, 30, 6)
    line = list(zip(old.tolist(), new.tolist(), strict=True))
    for at in rng.uniform(18, 32, 30):
        assert height(line, at) == pytest.approx(np.interp(at, old, new))


def _matrix(scores):
    """The rows of a matrix. scores: by method, order and stage, the scores on the datasets."""
    rows = [
        {"network": "net", "seed": seed, "method": method, "order": order, "stage": stage, "dataset": dataset}
        | dict.fromkeys(METRICS, value)
        for (seed, method, order, stage), values in scores.items()
        for dataset, value in values.items()
    ]
    return pd.DataFrame(rows)


def _chord(seed, datasets, line, method="finetune", of_line=True):
    return pd.DataFrame(
        [
            {"network": "net", "seed": seed, "method": method, "datasets": datasets, "rounding": "nearest"}
            | {"importance": "-", "alpha": alpha, "line": of_line}
            | {f"old_{name}": old for name in METRICS}
            | {f"new_{name}": new for name in METRICS}
            for alpha, (old, new) in enumerate(line)
        ]
    )


def test_a_method_is_compared_with_the_line_of_its_own_seed_and_sequence():
    matrix = _matrix(
        {
            (0, "nr", "a>b>c", 1): {"a": 30, "b": 1, "c": 1},
            (0, "nr", "a>b>c", 2): {"a": 29, "b": 25, "c": 1},
            (0, "nr", "a>b>c", 3): {"a": 28, "b": 24, "c": 20, "far": 3},
            (1, "nr", "a>b>c", 2): {"a": 29, "b": 25, "c": 1},
            (2, "nr", "a>b>c", 2): {"a": 29, "b": 25, "c": 1},
            (0, "nr", "b", 1): {"a": 9, "b": 9, "c": 9},
        }
    )
    chord = pd.concat(
        [
            _chord(0, "a>b", LINE),
            _chord(1, "a>b", [(30, 10), (20, 20)]),
            _chord(0, "a>b>c", [(25, 10), (27, 20)]),
            _chord(0, "a>b", [(30, 90), (20, 90)], "nr", of_line=False),
        ]
    )
    above = above_chord(matrix, chord.sample(frac=1, random_state=0), "psnr_y_db")
    found = above.set_index(["seed", "stage"])["above"].to_dict()
    assert found == pytest.approx({(0, 2): 25 - 22, (0, 3): 20 - 15, (1, 2): 25 - 11})
    assert points(matrix).set_index(["seed", "stage"]).loc[(0, 3), "old_ssim_y"] == 26


def test_a_dataset_without_clean_images_has_no_place_on_the_line():
    matrix = _matrix({(0, "nr", "a>real", 2): {"a": 29}})
    assert above_chord(matrix, _chord(0, "a>real", [(30, math.nan), (28, math.nan)]), "psnr_y_db").empty


# --- the job


def test_the_job_scores_the_network_of_the_blended_weights(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    images = [(rng.integers(0, 256, (16, 18, 3), np.uint8), rng.integers(0, 256, (16, 18, 3), np.uint8))] * 2
    monkeypatch.setattr(PackedPairs, "__init__", lambda p, stores, split: setattr(p, "rows", [Files(name="x")]))
    monkeypatch.setattr(PackedPairs, "__getitem__", lambda p, n: images[n])
    network = build(**TINY)
    theta = {name: array.copy() for name, array in weights.of_network(network).items()}
    thetas, omegas = [], []
    for n, factor in enumerate((1.0, 3.0)):
        thetas.append(tmp_path / f"{n}.safetensors")
        tensors.write(thetas[-1], {name: np.float32(factor) * array for name, array in theta.items()}, {})
    for n, factor in enumerate((4.0, 2.0, 1.0)):  # the mean over the old ones is 3
        omegas.append(tmp_path / f"omega{n}.safetensors")
        tensors.write(omegas[-1], {name: np.full_like(array, factor) for name, array in theta.items()}, {})

    def rows(alpha, files):
        recipe = {"network": TINY, "threads": 1, "datasets": {"a": "", "b": ""}, "rounding": ["none"], "code": {}}
        recipe |= {"ssim": "wang2009", "tile": 1024, "previews": 0, "alpha": alpha, "at_once": 1}
        given = {"thetas": thetas, "omegas": files, "tables": ["", ""], "pixels": ["", ""]}
        made = tmp_path / "chord.csv"
        config = {"device": "cpu", "local_scratch": None}
        run_script("chord", input=Files(given), output=[made], params=Files(recipe=recipe), config=config, log=[None])
        with made.open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    for alpha, files, share in ((0.25, [], 0.25), (0.5, omegas, 0.25)):
        factor = np.float32((1 - share) + 3 * share)
        tensors.write(tmp_path / "expected.safetensors", {n: factor * array for n, array in theta.items()}, {})
        weights.load_into(network, tmp_path / "expected.safetensors")
        found = rows(alpha, files)
        assert [row["dataset"] for row in found] == ["a", "b"]
        rainy, clean = images[0]
        error = (clamped_output(network, rainy) * 255.0 - clean) ** 2
        for row in found:
            assert float(row["psnr_rgb_db"]) == pytest.approx(10 * math.log10(255**2 / error.mean()), abs=1e-4)
