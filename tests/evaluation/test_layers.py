import numpy as np
import pytest
from derain.evaluation.layers import (
    TOP,
    distribution,
    histogram,
    importance,
    most_important,
    moves,
    moves_of_layers,
    overlap,
    overlaps,
    sums_of_layers,
)
from derain.files import tensors

pytestmark = pytest.mark.numerical

OMEGA = {
    "a.0.bias": np.array([1.0, 0.0], np.float32),
    "a.0.weight": np.array([[2.0, 3.0]], np.float32),
    "b": np.array([4.0], np.float32),
}


def test_a_layer_holds_its_weight_and_its_bias_and_its_share_of_the_sum():
    assert list(sums_of_layers(OMEGA)) == [
        {"layer": "a.0", "weights": 4, "mean": 1.5, "share": 0.6},
        {"layer": "b", "weights": 1, "mean": 4.0, "share": 0.4},
    ]
    assert [row["share"] for row in sums_of_layers({"b": np.zeros(3, np.float32)})] == [0]


def test_the_histogram_counts_every_weight_once_in_the_bin_of_its_logarithm():
    values = np.array([0, 1e-20, 1e-3, 1.1e-3, 0.5, 1e9], np.float32)
    rows = list(histogram({"w": values}))
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert rows[0]["share"] == pytest.approx(2 / 6)  # 0 and what is too small
    assert rows[-1]["log10_high"] == 2
    (inside,) = (row for row in rows if row["log10_low"] <= np.log10(0.5) < row["log10_high"])
    assert inside["share"] == pytest.approx(1 / 6)


def test_overlap_is_1_of_the_same_0_of_disjoint_and_top_by_chance():
    rng = np.random.default_rng(0)
    first = most_important({"w": np.arange(100, dtype=np.float32)})
    assert first.sum() == 10
    assert first[90:].all()
    assert overlap(first, first) == 1
    assert overlap(first, most_important({"w": -np.arange(100, dtype=np.float32)})) == 0
    a, b = (most_important({"w": rng.random(100_000).astype(np.float32)}) for _ in range(2))
    assert overlap(a, b) == pytest.approx(TOP, abs=0.01)


def test_a_move_is_relative_to_the_length_of_the_layer():
    before = {
        "a.bias": np.array([3.0], np.float32),
        "a.weight": np.array([4.0], np.float32),
        "b": np.zeros(2, np.float32),
    }
    after = {
        "a.bias": np.array([3.0], np.float32),
        "a.weight": np.array([5.0], np.float32),
        "b": np.ones(2, np.float32),
    }
    moved = {row["layer"]: row["relative_move"] for row in moves_of_layers(before, after)}
    assert moved["a"] == pytest.approx(1 / 5)
    assert np.isnan(moved["b"])


def _place(method, *datasets, seed=0):
    return {"network": "n", "seed": seed, "method": method, "datasets": list(datasets), "importance": "gradient"}


def test_tables_tell_the_stage_and_overlap_stands_between_datasets_of_one_path(tmp_path):
    places = [_place("nr", "a", "b"), _place("first", "a"), _place("first", "b"), _place("other", "a", "b", "c"),
              _place("first", "a", seed=1), _place("nr", "a", "b", "c")]  # fmt: skip
    files = [str(tmp_path / f"{n}.safetensors") for n in range(len(places))]
    for file in files:
        tensors.write(file, OMEGA, {})
    sources = [(place, [file]) for place, file in zip(places, files, strict=True)]
    assert len(importance(sources)) == 2 * len(places)
    found = overlaps(sources)
    pairs = {(row.method, row.datasets, row.earlier) for row in found.itertuples()}
    assert pairs == {("nr", "a>b", "a"), ("nr", "a>b>c", "a"), ("nr", "a>b>c", "b"), ("other", "a>b>c", "a")}
    assert set(found["overlap"]) == {1.0}
    shares = distribution(sources).groupby(["seed", "method", "datasets"])["share"].sum()
    assert shares.tolist() == pytest.approx([1] * 6)


def test_without_two_datasets_on_a_path_the_table_of_overlaps_is_empty_but_has_its_columns(tmp_path):
    file = tmp_path / "omega.safetensors"
    tensors.write(file, OMEGA, {})
    table = overlaps([(_place("first", "a"), [str(file)])])
    assert table.empty
    assert {"earlier", "overlap"} <= set(table)
    moved = moves([(_place("nr", "a", "b"), [str(file), str(file)])])
    assert moved["relative_move"].tolist() == [0, 0]
    assert moved["datasets"].tolist() == ["a>b"] * 2
