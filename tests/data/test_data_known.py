"""The line that `snakemake check` prints of a dataset."""

import pytest
from derain.data.findings import NOTICE, SUMMARY, WARNING, Finding
from derain.data.inspection import Facts
from derain.data.known import KNOWN, line_of
from derain.data.layouts import LAYOUTS
from derain.data.leaks import CLEAN, RAINY, View, find_leaks

TEST = Finding(SUMMARY, "test", "", "100 pairs of 100 scenes, 480×320 (1 size), rainy input 26.90 dB PSNR and …")
TRAIN = Finding(SUMMARY, "train", "", "200 pairs")


def test_a_line_has_each_split_the_counts_and_the_table():
    found = [TEST, TRAIN, Finding(WARNING, "train", "a.png", "is grey"), Finding(NOTICE, "", "", "something")]
    line = line_of("light", "folders", found, "results/datasets/light/check.csv")
    assert line == (
        f"light: test {TEST.text}; train {TRAIN.text}; leaks 0, near copies 0, warnings 1, errors 0; "
        "results/datasets/light/check.csv"
    )


def test_a_known_test_set_has_its_published_figures_beside():
    line = line_of("light", "rain100l-old", [TEST, TRAIN], "check.csv")
    assert f"{TEST.text} (the 100 published pairs have 26.90 dB and 0.8384); train" in line
    assert line.count("published") == 1


def test_known_sets_have_a_layout():
    assert KNOWN.keys() <= LAYOUTS.keys()


@pytest.mark.parametrize("role", [CLEAN, RAINY])
def test_what_the_search_for_leaks_says_is_counted(role):
    """A pair with equal pixels, and one that looks like a test pair."""
    same, near = (Facts(8, 8, sha, "0" * 64, "0" * 384) for sha in ("1", "2"))
    views = [View("train: a", {role: same}), View("train: b", {role: near})]
    leaks = find_leaks(views, [View("datasets.d: test: a", {role: same})])
    found = [Finding(NOTICE, "train", "a", f"{leak.text}; left out") for leak in leaks]
    line = line_of("d", "folders", [TEST, *found], "check.csv")
    assert "leaks 1, near copies 1 (2 pairs left out of training), warnings 0" in line
    kept = [Finding(WARNING, "train", "a", leak.text) for leak in leaks]
    assert "leaks 1, near copies 1, warnings 2" in line_of("d", "folders", [TEST, *kept], "check.csv")
