"""Threads of the jobs that read all images of a dataset."""

from types import SimpleNamespace

import pytest
from derain.data.samples import Sample, write_manifest
from derain.plan.datasets import threads


@pytest.mark.parametrize(("pairs", "expected"), [(None, 1), (0, 1), (24, 1), (150, 2), (5000, 8)])
def test_a_small_dataset_is_packed_by_one_thread(tmp_path, monkeypatch, pairs, expected):
    monkeypatch.chdir(tmp_path)
    if pairs is not None:
        sample = Sample("train", "scene", "image", "rainy.png", "clean.png")
        write_manifest(tmp_path / "results/datasets/a/manifest.csv", [sample] * pairs)
    assert threads(SimpleNamespace(dataset="a", use="training")) == expected
