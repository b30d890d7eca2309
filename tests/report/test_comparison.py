"""The page that compares photographs with their restored outputs."""

import os
import re
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from chromium import chromium
from derain.errors import shown
from derain.report.comparison import SIDE, write_comparison
from PIL import Image
from trees import any_letter


@pytest.fixture
def browser(tmp_path):
    driver = chromium(tmp_path / "profile", 1000)
    yield driver
    driver.quit()


NAMES = ("a <b>&' e#.png", "more/c.jpg")
SHAPES = ((40, 60, 3), (3000, 1000, 3))


def _photographs():
    """A small one whose name needs escaping, and a large one: light before, dark after."""
    return [
        (name, *(np.full(shape, level, np.uint8) for level in (200, 50)))
        for name, shape in zip(NAMES, SHAPES, strict=True)
    ]


def test_side_by_side_pictures_have_the_rainy_half_on_the_left_and_are_small(tmp_path):
    page = write_comparison(_photographs(), tmp_path / "out")
    assert page == tmp_path / "out/index.html"
    for name, size in zip(NAMES, ((60, 40), (round(SIDE / 3), SIDE)), strict=True):
        with Image.open(page.parent / f"{name}.jpg") as both:
            assert both.size == (2 * size[0], size[1])
            pixels = np.asarray(both).astype(int)
        assert np.abs(pixels[:, : size[0] - 8] - 200).max() <= 2
        assert np.abs(pixels[:, size[0] + 8 :] - 50).max() <= 2


def test_the_page_escapes_names_and_names_each_picture_twice(tmp_path):
    page = write_comparison(_photographs(), tmp_path / "out").read_text(encoding="utf-8")
    assert "<b>" not in page
    assert "a &lt;b&gt;&amp;&#39; e#.png" in page
    assert len(re.findall(r'src="a%20%3Cb%3E%26%27%20e%23\.png\.jpg"', page)) == 2
    assert len(re.findall('src="more/c.jpg.jpg"', page)) == 2
    assert page.count('<input type="range"') == 2


def test_the_size_beside_a_name_is_that_of_the_photograph(tmp_path):
    page = write_comparison(_photographs(), tmp_path / "out").read_text(encoding="utf-8")
    assert re.findall(r'<span class="quiet">(.*?)</span>', page) == ["60 × 40", "1000 × 3000"]


@any_letter
def test_a_name_that_is_no_text_is_shown_escaped_and_its_picture_is_linked(tmp_path):
    pixels = np.zeros((4, 4, 3), np.uint8)
    name = os.fsdecode(b"caf\xe9\x1b.png")
    page = write_comparison([(name, pixels, pixels)], tmp_path)
    text = page.read_text(encoding="utf-8")
    assert f"<strong>{shown(name)}</strong>" in text
    links = set(re.findall('src="([^"]*)"', text))
    assert [unquote_to_bytes(link) for link in links] == [b"caf\xe9\x1b.png.jpg"]
    assert os.fsencode(tmp_path) + b"/caf\xe9\x1b.png.jpg" in map(os.fsencode, tmp_path.iterdir())


@pytest.mark.slow
def test_the_slider_moves_the_line_in_a_browser(tmp_path, browser):
    page = write_comparison(_photographs(), tmp_path / "out")
    browser.get(page.as_uri())
    first, _ = browser.find_elements("css selector", ".card")
    before, after = (first.find_element("css selector", f".{side} img") for side in ("before", "after"))
    assert before.get_property("naturalWidth") == after.get_property("naturalWidth") == 120
    width, height = before.rect["width"], before.rect["height"]
    assert width / height == pytest.approx(60 / 40, abs=0.02)  # one half, not squeezed
    assert browser.execute_script("return getComputedStyle(arguments[0]).objectPosition", before) == "0px 0px"
    cut = "return getComputedStyle(document.querySelector('.before')).clipPath"
    assert "50%" in browser.execute_script(cut)
    slider = first.find_element("css selector", "input[type=range]")
    browser.execute_script("arguments[0].value = 20; arguments[0].dispatchEvent(new Event('input'))", slider)
    assert "80%" in browser.execute_script(cut)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
