"""Scores that are not those of the test images are no tables to take means of."""

import csv
from dataclasses import fields

import pandas as pd
import pytest
from derain.data.store import Row
from derain.evaluation.complete import fault_of_stage
from derain.evaluation.continual import score_tables
from derain.evaluation.metrics import METRICS
from derain.evaluation.scores import COLUMNS, RAINY_COLUMNS
from faults import faults_of

IMAGES = {"a": ["1", "2", "NA"], "b": ["1"], "real": []}
ROUNDINGS = ["nearest", "none"]
PAIRS = [field.name for field in fields(Row)]


def _write(path, columns, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


class Results:
    """Two stages with scores on two datasets and real rain, in one file each or in one for each dataset."""

    def __init__(self, folder, split):
        self.datasets, self.sources = {}, []
        for name, images in IMAGES.items():
            files = {kind: folder / f"{name}/{kind}.csv" for kind in ("pairs", "rainy")}
            pair = dict.fromkeys(PAIRS, "0") | {"split": "test"}
            rows = [pair | {"name": image, "clean": True} for image in images]
            rows += [pair | {"name": "photo", "clean": False}, pair | {"split": "train", "name": "x", "clean": True}]
            _write(files["pairs"], PAIRS, rows)
            rainy = [{"dataset": name, "image": image} | dict.fromkeys(METRICS, 20.0) for image in images]
            _write(files["rainy"], RAINY_COLUMNS, rainy)
            self.datasets[name] = {kind: str(file) for kind, file in files.items()}
        for path in (["a"], ["a", "b"]):
            for part in [[name] for name in IMAGES] if split else [list(IMAGES)]:
                file = folder / f"{len(path)}/scores/{part[0] if split else 'all'}.csv"
                rows = [
                    {"dataset": name, "image": image, "rounding": rounding} | dict.fromkeys(METRICS, 25.0)
                    for name in part
                    for image in IMAGES[name]
                    for rounding in ROUNDINGS
                ]
                _write(file, COLUMNS, rows)
                method = "nr" if len(path) > 1 else "first"
                stage = {"network": "net", "seed": 0, "method": method, "datasets": path, "scored": part}
                self.sources.append((stage, [str(file)]))

    def tables(self):
        return score_tables(self.sources, self.datasets, ROUNDINGS, ["nr"], [["a", "b"]], {})

    def refusal(self):
        return faults_of(self.tables)


@pytest.fixture(params=[False, True], ids=["whole", "split"])
def results(request, tmp_path):
    return Results(tmp_path, request.param)


def _edit(file, change):
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    change(table).to_csv(file, index=False)


def test_whole_tables_are_taken(results):
    matrix = results.tables()["matrix"]
    assert set(zip(matrix["dataset"], matrix["images"], strict=True)) == {("a", 3), ("b", 1)}


CHANGES = {
    "a row lost": (lambda table: table.drop(index=0), "1 of .* scores missing .a, 1, nearest."),
    "the last row lost": (lambda table: table.drop(index=table.index[-1]), "1 of .* scores missing"),
    "a dataset lost": (lambda table: table[table["dataset"] != "a"], "6 of .* scores missing"),
    "a rounding lost": (lambda table: table[table["rounding"] != "none"], "of .* scores missing"),
    "a row twice": (lambda table: pd.concat([table, table.head(1)]), "1 scores twice"),
    "an image that is none": (lambda table: table.replace({"image": {"2": "3"}}), "2 of .* scores missing .a, 2, n"),
    "an image too many": (
        lambda table: pd.concat([table, table.head(1).assign(image="9")]), "1 scores of unknown test images .*9"
    ),
    "an empty field": (lambda table: table.assign(psnr_y_db=["", *table["psnr_y_db"][1:]]), "1 scores are no numbers"),
    "NaN": (lambda table: table.assign(ssim_y=["nan", *table["ssim_y"][1:]]), "cannot be read as a table|no numbers"),
    "an SSIM without bound": (lambda table: table.assign(ssim_rgb="inf"), "scores are no numbers"),
    "a PSNR of nothing": (lambda table: table.assign(psnr_rgb_db="-inf"), "scores are no numbers"),
    "text for a number": (lambda table: table.assign(psnr_y_db="much"), "cannot be read as a table"),
    "a column lost": (lambda table: table.drop(columns="ssim_y"), "has no column ssim_y"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_scores_that_are_not_those_of_the_test_images_are_one_line_that_names_the_file(change, results):
    how, text = CHANGES[change]
    file = results.sources[-3 if len(results.sources) > 2 else -1][1][0]
    _edit(file, how)
    lines = results.refusal()
    assert len(lines) == 1
    assert lines[0].startswith(file)
    assert pd.Series(lines).str.contains(text).all(), lines


def test_an_infinite_psnr_of_a_single_image_is_taken(results):
    _edit(results.sources[0][1][0], lambda table: table.assign(psnr_y_db=["inf", *table["psnr_y_db"][1:]]))
    assert results.tables()["matrix"]["psnr_y_db"].max() == (100 + 25 + 25) / 3


@pytest.mark.parametrize(
    "change", ["a row lost", "a row twice", "an empty field", "a column lost", "text for a number"]
)
def test_so_are_those_of_the_rainy_images(change, results):
    file = results.datasets["a"]["rainy"]
    _edit(file, CHANGES[change][0])
    (line,) = results.refusal()
    assert line.startswith(file)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'dataset,image\n"a,1\n', b"a,b\n1,2,3\n"])
def test_a_file_that_is_no_table_is_one_line(content, results):
    file = results.sources[0][1][0]
    with open(file, "wb") as table:
        table.write(content)
    (line,) = results.refusal()
    assert file in line


def test_many_faults_are_counted(results):
    results.sources = [results.sources[0]] * 20
    _edit(results.sources[0][1][0], lambda table: table.drop(index=0))
    assert results.refusal()[5:] == ["and 15 more tables of scores"]


def test_another_advice_takes_the_place_of_that_to_delete(results):
    stage, files = results.sources[-1]
    images = {name: ["another"] for name in stage["scored"]}
    told = fault_of_stage((stage, files), images, ROUNDINGS, "run this config again")
    assert told.startswith(f"{files[0]}: ")
    assert told.endswith("; run this config again")
    assert "; delete " in fault_of_stage((stage, files), images, ROUNDINGS)
