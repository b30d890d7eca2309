import html
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from derain.continual import continual_table, matrix_table
from derain.metrics import METRICS
from derain.report.page import Picture, Row, render
from derain.report.pictures import picture_rows

NASTY = "<script>alert('x')</script> \"é\" & 雨"
IN_TABLE = NASTY.replace(">", "")  # which joins the datasets of an order


def _tables(a="a", b="b", network="net", method="nr", seeds=(0,)):
    stages = {
        ("first", a): (30.126, 20.5),
        ("first", b): (18.25, 33.75),
        (method, f"{a}>{b}"): (27.375, 35.625),
        ("joint", ">".join(sorted((a, b)))): (31.5, 34.5),
    }
    scores = [
        {"network": network, "seed": seed, "method": m, "datasets": path, "dataset": dataset, "image": "1"}
        | dict.fromkeys(METRICS, value + 2 * seed)
        for seed in seeds
        for (m, path), values in stages.items()
        for dataset, value in zip((a, b), values, strict=True)
    ]
    rainy = [{"dataset": d, "image": "1"} | dict.fromkeys(METRICS, v) for d, v in ((a, 15.0), (b, 19.5))]
    matrix = matrix_table(pd.DataFrame(scores), pd.DataFrame(rainy), [method], [[a, b]])
    return matrix, continual_table(matrix)


class _Texts(HTMLParser):
    """The rows of all tables, cell by cell; all tags and their attributes."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.tags, self.attributes, self.in_cell = [], [], [], False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append(dict(attrs))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag):
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self.in_cell:
            self.rows[-1][-1] += data.strip()


def _rows(page):
    return [tuple(row) for row in _Texts(page).rows]


def test_the_page_holds_the_numbers_of_the_matrix():
    rows = _rows(render(*_tables(), []))
    assert ("a", "30.13", "20.50") in rows
    assert ("b", "27.38", "35.62") in rows
    assert ("rainy input", "15.00", "19.50") in rows


def test_the_page_holds_average_forgetting_bwt_and_fwt_of_each_method_and_order():
    rows = _rows(render(*_tables(), []))
    assert ("a → b", "net", "nr", "31.50", "+2.75", "−2.75", "+1.00") in rows
    assert ("a → b", "net", "joint", "33.00", "−1.37", "+1.37", "+1.00") in rows


def test_a_method_without_a_network_for_every_dataset_has_its_average_only_on_the_page():
    matrix, _ = _tables()
    matrix = matrix[(matrix["method"] != "joint") | (matrix["stage"] == 2)]
    rows = _rows(render(matrix, continual_table(matrix), []))
    assert ("a → b", "net", "joint", "33.00", "–", "–", "–") in rows


def test_the_page_holds_what_each_network_of_its_own_gains():
    rows = _rows(render(*_tables(), []))
    assert ("a", "net", "15.00", "30.13", "+15.13") in rows
    assert ("b", "net", "19.50", "33.75", "+14.25") in rows


def test_the_page_shows_means_over_seeds():
    assert ("a", "31.13", "21.50") in _rows(render(*_tables(seeds=(0, 1)), []))


def test_the_best_average_of_an_order_is_bold_and_joint_is_only_a_reference():
    page = render(*_tables(), [])
    assert re.findall(r'class="best">([\d.]+)', page) == ["31.50"]
    assert ">33.00<" in page


def test_averages_tell_their_spread_over_seeds():
    page = render(*_tables(seeds=(0, 1)), [])
    assert re.findall(r'class="best">([\d.]+ ± [\d.]+)', page) == ["32.50 ± 1.41"]  # 31.5 and 33.5


def _picture(caption, level, psnr=None):
    return Picture(caption, np.full((8, 8, 3), level, np.uint8), psnr)


def test_names_with_markup_quotes_and_other_letters_are_escaped_everywhere():
    plain = _Texts(render(*_tables(), [Row("a", "b", [_picture("c", 0)])]))
    nasty = render(
        *_tables(IN_TABLE + "1", IN_TABLE + "2", IN_TABLE + "3", IN_TABLE + "4"),
        [Row(NASTY, NASTY, [_picture(NASTY, 0)])],
    )
    parsed = _Texts(nasty)
    assert parsed.tags == plain.tags  # no tag more than with harmless names
    assert [set(attributes) for attributes in parsed.attributes] == [set(a) for a in plain.attributes]
    assert "<script" not in nasty
    assert IN_TABLE + "1 → " + IN_TABLE + "2" in html.unescape(nasty)
    assert NASTY in html.unescape(nasty)
    assert any(attributes.get("alt") == f"{NASTY}, {NASTY}: {NASTY}" for attributes in parsed.attributes)


def test_the_page_needs_nothing_from_elsewhere():
    page = render(*_tables(), [Row("a", "1", [_picture("rainy", 3, 20.126), _picture("clean", 9)])])
    parsed = _Texts(page)
    assert all(a["src"].startswith("data:image/") for a in parsed.attributes if "src" in a)
    assert parsed.tags.count("img") == 2
    assert not {"link", "script", "iframe"} & set(parsed.tags)
    assert not any("href" in attributes for attributes in parsed.attributes)
    assert "url(" not in page
    assert "20.13 dB" in page


def test_an_experiment_of_single_datasets_has_a_page_too():
    matrix, _ = _tables()
    alone = matrix[matrix["method"] == "individual"]
    page = render(alone, continual_table(alone), [])
    assert ("a", "net", "15.00", "30.13", "+15.13") in _rows(page)


class _Pairs(list):
    """PackedPairs in memory."""


class _Named:
    def __init__(self, name):
        self.name = name


@pytest.mark.parametrize("previews", [0, 1, 2, 9])
def test_picture_rows_are_rainy_outputs_clean_for_as_many_images_as_asked_and_there(previews):
    rainy, output, clean = (np.full((16, 16, 3), level, np.uint8) for level in (10, 104, 100))
    pairs = _Pairs([(rainy, clean), (rainy, clean)])
    pairs.rows = [_Named("one"), _Named("two")]
    rows = list(picture_rows({"a": pairs}, [("nr", {"a/0": output, "a/1": output})], previews))
    assert [row.image for row in rows] == ["one", "two"][:previews]
    for row in rows:
        assert [picture.caption for picture in row.pictures] == ["rainy", "nr", "clean"]
        assert row.pictures[1].psnr_y_db == pytest.approx(20 * np.log10(255 / 4) + 20 * np.log10(255 / 219))
        assert row.pictures[2].psnr_y_db is None


def test_real_rain_without_a_clean_image_is_shown_without_a_score():
    rainy = np.zeros((16, 16, 3), np.uint8)
    pairs = _Pairs([(rainy, None)])
    pairs.rows = [_Named("one")]
    (row,) = picture_rows({"real": pairs}, [("nr", {"real/0": rainy})], 1)
    assert [(picture.caption, picture.psnr_y_db) for picture in row.pictures] == [("rainy", None), ("nr", None)]
