"""The page in a browser, from disk: Debian's Chromium, driven by its own driver. Where it cannot start, this fails."""

import json
from dataclasses import replace

import numpy as np
import pagecontent
import pytest
from chromium import chromium
from derain.evaluation.metrics import METRICS
from derain.report.page import render
from derain.report.pictures import Picture, encoded
from derain.report.verdict import verdict
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

pytestmark = pytest.mark.slow
OWN = ("chrome:", "chrome-untrusted:")  # pages of the browser, which its first tab asks
NASTY = "<script>alert('x')</script> \"é\" & 雨"
A, B = "<b>a\" 'é".replace(">", ""), "雨&amp;b"  # ">" joins the datasets of an order
METHODS = ("finetune", NASTY)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the page was made from, and the page."""
    folder = tmp_path_factory.mktemp("page")
    found = pagecontent.content(folder, A, B, NASTY, METHODS, NASTY, image=NASTY, missing=[NASTY])
    (folder / "page.html").write_text(render(found), encoding="utf-8")
    return found, folder / "page.html"


@pytest.fixture(scope="module", params=[1440, 768, 390])
def page(made, request, tmp_path_factory):
    """The page, drawn, at the width of a desk and of a telephone."""
    driver = chromium(tmp_path_factory.mktemp("profile"), request.param)
    try:
        driver.get(made[1].as_uri())
        WebDriverWait(driver, 120).until(lambda d: d.execute_script("return document.documentElement.dataset.drawn"))
        yield driver
    finally:
        driver.quit()


def _choose(page, name, value):
    select = Select(page.find_element(By.CSS_SELECTOR, f".switches select[name={name}]"))
    select.select_by_value(json.dumps(value))
    page.execute_async_script("setTimeout(arguments[0], 400)")  # the drawing follows


def _cells(page):
    """The numbers in the heat maps, by the labels that assistive technology reads."""
    return sorted(element.get_attribute("textContent") for element in _texts(page))


def _texts(page):
    return page.find_elements(By.CSS_SELECTOR, "#chart-matrix .mark-text.role-mark text")


def _expected(table, metric, seed, order, view):
    """The same from the table."""
    runs = table[table["order"] == order]
    runs = runs if seed == "mean" else runs[runs["seed"] == int(seed)]
    means = runs.groupby(["method", "stage", "dataset"])[[metric, f"rainy_{metric}"]].mean().reset_index()
    learned = {name: n for n, name in enumerate(order.split(">"), 1)}
    form = ".2f" if metric.startswith("psnr") else ".4f"
    found = []
    for row in means.to_dict("records"):
        if view == "score":
            found.append(format(row[metric], form))
            continue
        reference = row[f"rainy_{metric}"]
        if view == "change":
            start = learned.get(row["dataset"], 99)
            if row["stage"] < start:
                continue
            same = means[(means["method"] == row["method"]) & (means["dataset"] == row["dataset"])]
            own = same[same["stage"] == start][metric]
            if own.empty:
                continue
            reference = own.iloc[0]
        difference = row[metric] - reference
        sign = "" if float(format(difference, form)) == 0 else "+"  # what rounds to zero has no sign
        found.append(format(difference, f"{sign}z{form}").replace("-", "−"))
    if view == "score":
        rainy = means.drop_duplicates(["method", "dataset"])[f"rainy_{metric}"]
        found += [format(value, form) for value in rainy]
    return sorted(found)


def test_nothing_is_said_in_the_console_and_nothing_is_asked_of_anyone(page):
    assert page.get_log("browser") == []
    sent = [json.loads(line["message"])["message"] for line in page.get_log("performance")]
    asked = [line["params"] for line in sent if line["method"] == "Network.requestWillBeSent"]
    requests = [line["request"]["url"] for line in asked if not line["documentURL"].startswith(OWN)]
    assert all(url.startswith(("file:///", "data:")) for url in requests), requests
    assert sum(url.startswith("file:") for url in requests) == 1  # the page itself


def test_every_chart_is_drawn_and_the_page_is_as_wide_as_the_screen(page):
    charts = page.find_elements(By.CSS_SELECTOR, ".chart")
    assert len(charts) == 13
    assert all(chart.find_elements(By.CSS_SELECTOR, "svg path") for chart in charts)
    assert all(len(chart.get_attribute("aria-label")) > 30 for chart in charts)
    width = page.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]


def test_labels_of_heat_maps_do_not_cover_each_other(page):
    for chart in ("matrix", "omega-overlap"):
        boxes = page.execute_script(
            """return [...document.querySelectorAll(`#chart-${arguments[0]} .role-axis-label`)].map(
              (axis) => [...axis.querySelectorAll("text")].map((text) => {
                const box = text.getBoundingClientRect();
                return [box.left, box.right, box.top, box.bottom];
              }))""",
            chart,
        )
        assert boxes
        for axis in boxes:
            for n, (left, right, top, bottom) in enumerate(axis):
                assert not any(left < x1 and x0 < right and top < y1 and y0 < bottom for x0, x1, y0, y1 in axis[:n])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_no_serious_finding(page, scheme):
    from axe_core_python.selenium import Axe  # whose import reads UTF-8 as the locale's encoding

    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    page.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
    page.execute_async_script("setTimeout(arguments[0], 400)")
    try:
        violations = Axe().run(page)["violations"]
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        page.execute_script("for (const each of document.querySelectorAll('details')) each.open = false")
    serious = [each for each in violations if each["impact"] in ("serious", "critical")]
    assert not serious, [(each["id"], [node["html"][:300] for node in each["nodes"][:3]]) for each in serious]


def test_what_is_wider_than_the_screen_says_that_it_scrolls(page):
    page.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
    page.execute_async_script("setTimeout(arguments[0], 400)")
    boxes = page.execute_script("""return [...document.querySelectorAll(".wide, .chart, .strip")].map((box) => [
      box.className, box.scrollWidth > box.clientWidth + 1,
      box.previousElementSibling?.matches(".hint:not([hidden])") ?? false, box.tabIndex])""")
    page.execute_script("for (const each of document.querySelectorAll('details')) each.open = false")
    assert len(boxes) > 20
    for name, scrolls, hint, reached in boxes:
        assert scrolls == hint, name
        assert not scrolls or reached == 0
    assert not any(scrolls for name, scrolls, *_ in boxes if name == "strip")


def test_the_verdict_is_whole_and_has_the_numbers_of_its_table(page, made):
    judged = verdict(made[0].tables).set_index(["network", "method"])
    assert judged["above_chord"].notna().any()
    table = page.find_element(By.CSS_SELECTOR, "#verdict .wide")
    assert page.execute_script("return arguments[0].scrollWidth <= arguments[0].clientWidth + 1", table)
    rows = table.find_elements(By.CSS_SELECTOR, "tbody tr")
    assert len(rows) == len(judged)
    for (_, method), line in judged.iterrows():
        (row,) = (row for row in rows if row.find_element(By.TAG_NAME, "th").get_attribute("textContent") == method)
        texts = [cell.get_attribute("textContent") for cell in row.find_elements(By.TAG_NAME, "td")]
        average, worst, forgetting, gain, above, harms, _ = texts
        assert f"{line['average']:.2f}" in average
        assert ("★" in average) == bool(line["best_average"] and line["beyond_noise"])
        numbers = {"worst": worst, "forgetting": forgetting, "new_task_gain": gain, "above_chord": above}
        for name, text in numbers.items():
            expected = "–" if line.isna()[name] else f"{line[name]:{'.2f' if name == 'worst' else '+.2f'}}"
            assert text.startswith(expected.replace("-", "−"))
        assert ("▼" in harms) == bool(line["harms"])
        assert not line["harms"] or f"{line['lowest_gain']:+.2f}".replace("-", "−") in harms


def test_words_of_headers_are_whole(page):
    page.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
    broken = page.execute_script("""
      const found = [];
      for (const head of document.querySelectorAll("thead th")) {
        const texts = document.createTreeWalker(head, NodeFilter.SHOW_TEXT);
        for (let text = texts.nextNode(); text; text = texts.nextNode())
          for (const word of text.data.matchAll(/\\S+/g)) {
            const range = document.createRange();
            range.setStart(text, word.index);
            range.setEnd(text, word.index + word[0].length);
            const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
            if (lines.size > 1) found.push(word[0]);
          }
      }
      return found""")
    width = page.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    page.execute_script("for (const each of document.querySelectorAll('details')) each.open = false")
    assert broken == []
    assert width[0] <= width[1]


def test_triangles_mark_what_is_below_the_rainy_input(page, made):
    """In the heat maps of the first order and of the mean over seeds."""
    table = made[0].tables["matrix"]
    run = table[table["order"] == f"{A}>{B}"]
    means = run.groupby(["method", "stage", "dataset"])[["psnr_y_db", "rainy_psnr_y_db"]].mean()
    expected = int((means["psnr_y_db"] < means["rainy_psnr_y_db"]).sum())
    assert expected > 0
    assert len(page.find_elements(By.CSS_SELECTOR, "#chart-matrix .mark-symbol.role-mark path")) == expected


def test_legends_of_importance_name_only_datasets_that_have_it(page, made):
    """The last dataset of an order has no Ω."""
    table = made[0].tables["omega-layers"]
    for number, order in enumerate((f"{A}>{B}", f"{B}>{A}")):
        _choose(page, "order", number)
        prefixes = {">".join(order.split(">")[:n]): order.split(">")[n - 1] for n in (1, 2)}
        expected = {prefixes[path] for path in table["datasets"] if path in prefixes}
        for chart in ("omega-layers", "omega-distribution"):
            labels = page.find_elements(By.CSS_SELECTOR, f"#chart-{chart} .role-legend-label text")
            assert {label.get_attribute("textContent") for label in labels} == expected
    _choose(page, "order", 0)


def test_names_are_texts(page):
    assert page.execute_script("return document.querySelectorAll('main script, body b script').length") == 0
    assert NASTY in page.find_element(By.CSS_SELECTOR, "#missing li").text
    assert NASTY in page.find_element(By.CSS_SELECTOR, "#verdict").text
    assert NASTY in [
        text.get_attribute("textContent") for text in page.find_elements(By.CSS_SELECTOR, "#chart-matrix text")
    ]


def test_the_switches_change_the_matrix_and_its_numbers_are_those_of_the_table(page, made):
    table = made[0].tables["matrix"]
    orders = [f"{A}>{B}", f"{B}>{A}"]
    choices = [
        ("mean", 0, METRICS[0], "score"), ("1", 0, METRICS[0], "score"), ("1", 1, METRICS[1], "score"),
        ("0", 1, METRICS[3], "gain"), ("mean", 0, METRICS[0], "change"),
    ]  # fmt: skip
    for seed, order, metric, view in choices:
        for name, value in (("seed", seed), ("order", order), ("metric", metric), ("view", view)):
            _choose(page, name, value)
        assert _cells(page) == _expected(table, metric, seed, orders[order], view)
    for name, value in (("seed", "mean"), ("order", 0), ("metric", METRICS[0]), ("view", "score")):
        _choose(page, name, value)


def test_pointing_at_a_cell_tells_its_numbers(page):
    cell = page.find_element(By.CSS_SELECTOR, "#chart-matrix .mark-rect.role-mark path")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", cell)
    ActionChains(page).move_to_element(cell).perform()
    tip = page.find_element(By.ID, "vg-tooltip-element")
    WebDriverWait(page, 120).until(lambda _: tip.is_displayed() and "PSNR Y, dB" in tip.text)
    assert "SSIM RGB" in tip.text


def test_the_slider_uncovers_what_is_before_by_the_keyboard_too(page):
    slider = page.find_element(By.CSS_SELECTOR, ".compare input[type=range]")
    before = page.find_element(By.CSS_SELECTOR, ".compare .before")
    clips = [before.value_of_css_property("clip-path")]
    page.execute_script("arguments[0].focus()", slider)
    slider.send_keys(Keys.END)
    clips.append(before.value_of_css_property("clip-path"))
    slider.send_keys(Keys.HOME)
    clips.append(before.value_of_css_property("clip-path"))
    assert len(set(clips)) == 3
    assert slider.get_attribute("value") == "0"


def test_two_pictures_of_the_strip_are_compared_and_the_lists_change_them(page):
    card = page.find_element(By.CSS_SELECTOR, ".card")
    sources = {
        figure.get_attribute("data-name"): figure.find_element(By.TAG_NAME, "img").get_attribute("src")
        for figure in card.find_elements(By.CSS_SELECTOR, ".strips > .strip figure")
        if figure.is_displayed()
    }
    assert list(sources) == ["rainy", *METHODS, "clean"]
    after = card.find_element(By.CSS_SELECTOR, ".compare .after img")
    for name in ("clean", NASTY):
        Select(card.find_element(By.CSS_SELECTOR, "select[data-side=after]")).select_by_visible_text(name)
        assert after.get_attribute("src") == sources[name]
    assert card.find_element(By.CSS_SELECTOR, ".compare .before img").get_attribute("src") == sources["rainy"]


def test_each_picture_of_the_lists_is_its_own_where_captions_are_alike(tmp_path):
    """Methods called like the images beside theirs, and a network of no order called like a method."""
    found = pagecontent.content(tmp_path, methods=("clean", "rainy"))
    grey = Picture("clean", lambda: np.full((24, 24, 3), 99, np.uint8), run=("net", "individual"), order="a")
    cards, _ = encoded(replace(card, pictures=[*card.pictures[:1], grey, *card.pictures[1:]]) for card in found.cards)
    (tmp_path / "page.html").write_text(render(replace(found, cards=cards)), encoding="utf-8")
    driver = chromium(tmp_path / "profile", 1000)
    try:
        driver.get((tmp_path / "page.html").as_uri())
        WebDriverWait(driver, 120).until(lambda d: d.execute_script("return document.documentElement.dataset.drawn"))
        for order in (0, 1):
            _choose(driver, "order", order)
            card = driver.find_element(By.CSS_SELECTOR, ".card")
            strip = [shown for shown in card.find_elements(By.CSS_SELECTOR, ".strips > .strip:first-child img")
                     if shown.is_displayed()]  # fmt: skip
            sources = [image.get_attribute("src") for image in strip]
            assert len(sources) == len(set(sources)) == 5
            for side in ("before", "after"):
                select = Select(card.find_element(By.CSS_SELECTOR, f"select[data-side={side}]"))
                assert [option.text for option in select.options] == ["rainy", "clean", "clean", "rainy", "clean"]
                image = card.find_element(By.CSS_SELECTOR, f".compare .{side} img")
                for n, source in enumerate(sources):
                    select.select_by_index(n)
                    assert image.get_attribute("src") == source
                select.select_by_index(3)
            # the chosen method stays chosen in the other order
            after = card.find_element(By.CSS_SELECTOR, ".compare .after img").get_attribute("src")
            _choose(driver, "order", 1 - order)
            select = Select(card.find_element(By.CSS_SELECTOR, "select[data-side=after]"))
            assert select.options.index(select.first_selected_option) == 3
            assert card.find_element(By.CSS_SELECTOR, ".compare .after img").get_attribute("src") != after
            _choose(driver, "order", order)
        driver.execute_script("document.getElementById('errors').click()")
        layers = card.find_elements(By.CSS_SELECTOR, ".strips > .strip:first-child img.clean")
        assert {layer.get_attribute("src") for layer in layers} == {sources[-1]}
    finally:
        driver.quit()


def test_another_order_shows_its_own_pictures(page):
    def shown():
        figures = page.find_elements(By.CSS_SELECTOR, ".card figure[data-order]")
        return {figure.get_attribute("data-order") for figure in figures if figure.is_displayed()}

    assert shown() == {"0"}
    _choose(page, "order", 1)
    assert shown() == {"1"}
    _choose(page, "order", 0)


def test_zoom_is_held_in_common_and_moves_by_the_keyboard(page):
    card = page.find_element(By.CSS_SELECTOR, ".card")
    images = [image for image in card.find_elements(By.CSS_SELECTOR, ".picture img") if image.is_displayed()]
    Select(page.find_element(By.ID, "zoom")).select_by_value("4")
    assert {image.value_of_css_property("transform") for image in images} == {"matrix(4, 0, 0, 4, 0, 0)"}
    stack = card.find_element(By.CSS_SELECTOR, ".stack")
    before = card.get_attribute("style")
    page.execute_script("arguments[0].focus()", stack)
    stack.send_keys(Keys.ARROW_RIGHT)
    assert card.get_attribute("style") != before
    origins = {image.value_of_css_property("transform-origin").split()[0] for image in images}
    assert len({round(float(origin.removesuffix("px"))) for origin in origins}) <= 2  # sizes
    Select(page.find_element(By.ID, "zoom")).select_by_value("1")


def test_the_error_is_laid_over_what_has_a_clean_image(page):
    box = page.find_element(By.ID, "errors")
    page.execute_script("arguments[0].click()", box)
    cards = page.find_elements(By.CSS_SELECTOR, ".card")
    supervised = [card for card in cards if card.find_elements(By.CSS_SELECTOR, "figure[data-role=clean]")]
    assert 0 < len(supervised) < len(cards)
    for card in cards:
        overlays = card.find_elements(By.CSS_SELECTOR, ".strips .picture.scored img.clean")
        assert bool(overlays) == (card in supervised)
        assert all(overlay.value_of_css_property("mix-blend-mode") == "difference" for overlay in overlays)
    page.execute_script("arguments[0].click()", box)
    assert not page.find_element(By.CSS_SELECTOR, ".picture img.clean").is_displayed()


def test_every_switch_is_reached_by_the_keyboard(page):
    page.execute_script("document.querySelector('nav a').focus()")
    reached = set()
    for _ in range(60):
        ActionChains(page).send_keys(Keys.TAB).perform()
        active = page.switch_to.active_element
        reached.add(active.get_attribute("name") or active.get_attribute("id") or active.get_attribute("type"))
        if {"order", "seed", "metric", "view", "zoom", "errors", "range"} <= reached:
            return
    raise AssertionError(f"reached only {reached}")
