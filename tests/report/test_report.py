import argparse
import html
import io
import json
import math
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import quote

import numpy as np
import pagecontent
import pandas as pd
import pytest
import vl_convert
from derain.commands import restore
from derain.evaluation.continual import continual_table, matrix_table, summary_table
from derain.evaluation.metrics import METRICS
from derain.machine import processor
from derain.plan.charts import CHARTS
from derain.report import chartdata, charts, latex, vega
from derain.report.content import Content, Theta, _seconds_an_image
from derain.report.figures import Figures
from derain.report.page import render
from derain.report.pictures import BUDGET
from derain.report.provenance import Provenance, made_where, versions
from derain.report.verdict import verdict

pytestmark = pytest.mark.xdist_group("report")  # one worker renders the pages that its tests share

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
    return _of_matrix(matrix)


def _of_matrix(matrix):
    continual = continual_table(matrix)
    return {"matrix": matrix, "continual": continual, "summary": summary_table(continual)}


def _page(tables, **more):
    return render(Content(tables, **more))


@pytest.fixture(scope="module")
def page():
    """The page of `_tables`."""
    return _page(_tables())


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The content of a page that has everything."""
    return pagecontent.content(tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="module")
def full_page(full):
    return render(full)


class _Texts(HTMLParser):
    """The rows of all tables, cell by cell; all tags and their attributes; what is said, and what is data."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.tags, self.attributes, self.data = [], [], [], {}
        self.in_cell, self.element = False, ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append(dict(attrs))
        self.element = dict(attrs).get("id") or tag
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag):
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data):
        self.data[self.element] = self.data.get(self.element, "") + data
        if self.in_cell:
            self.rows[-1][-1] += data.strip()


def _rows(page):
    return [tuple(row) for row in _Texts(page).rows]


def _specifications(page):
    """Vega-Lite by the figure's name, and its rows."""
    found = json.loads(_Texts(page).data["specifications"])
    specs = {line["name"]: line["specification"] for line in found["drawings"]}
    return {name: (spec, _rows_of_chart(spec["data"], found["datasets"])) for name, spec in specs.items()}


def _rows_of_chart(data, datasets):
    text = datasets[data["name"]]
    types = {name: str for name, kind in data["format"]["parse"].items() if kind == "string"}
    return pd.read_csv(io.StringIO(text), dtype=types, keep_default_na=False, na_values=[""])


# --- numbers


def test_the_page_holds_the_numbers_of_the_matrix(page):
    rows = _rows(page)
    assert ("a", "30.13", "20.50") in rows
    assert ("b", "27.38", "35.62") in rows
    assert ("rainy input", "15.00", "19.50") in rows


def test_the_verdict_holds_average_forgetting_gain_and_bytes(page):
    rows = _rows(page)
    assert ("nr", "31.50", "+2.75", "+16.12", "none", "0") in rows
    assert ("joint", "33.00", "−1.37", "+15.00", "none", "all") in rows
    assert ("individual", "31.94", "–", "–", "none", "–") in rows  # (30.126 + 33.75) / 2


def test_with_one_order_nothing_is_said_of_the_worst_order_and_its_chart_is_left_out(page, full_page):
    assert ["worst order" in text.split("<script")[0] for text in (page, full_page)] == [False, True]
    assert ("orders" in _specifications(page), "orders" in _specifications(full_page)) == (False, True)


def test_the_top_leads_to_individual_and_given_networks_where_the_page_has_them(page):
    tables = _tables()
    single = tables["matrix"].query("method == 'individual'")
    given = single.assign(network="elsewhere", method="given", order="-", learned="-")
    tables["matrix"] = pd.concat([tables["matrix"], given], ignore_index=True)
    for shown, linked in ((page, {"individual"}), (_page(tables), {"individual", "elsewhere"})):
        links = {each["href"] for each in _Texts(shown).attributes if each.get("href", "").startswith("#")}
        ids = {each["id"] for each in _Texts(shown).attributes if "id" in each}
        assert {name for name in ("individual", "elsewhere") if f"#{name}" in links} == linked
        assert {link.removeprefix("#") for link in links} <= ids


def test_every_order_stands_with_its_metrics(page):
    rows = _rows(page)
    assert ("a → b", "net", "nr", "31.50", "+2.75", "+16.12", "−2.75", "+1.00", "−0.94", "−0.56") in rows


def test_a_quantity_that_no_row_has_has_no_column(page):
    tables = _tables()
    without = tables["continual"].assign(intransigence_joint=np.nan)
    headers = [[row for row in _rows(shown) if row[:3] == ("order", "network", "method")]
               for shown in (page, _page(tables | {"continual": without}))]  # fmt: skip
    assert headers[0][0][-2:] == ("intransigence to individual", "intransigence to joint")
    assert headers[1] == [headers[0][0][:-1]]


def test_a_method_without_a_network_for_every_dataset_has_its_average_only():
    matrix = _tables()["matrix"]
    matrix = matrix[(matrix["method"] != "joint") | (matrix["stage"] == 2)]
    assert ("joint", "33.00", "–", "–", "none", "all") in _rows(_page(_of_matrix(matrix)))


def test_the_page_holds_what_each_network_of_its_own_gains(page):
    rows = _rows(page)
    assert ("a", "net", "15.00", "30.13", "+15.13", "15.0000", "30.1260") in rows
    assert ("b", "net", "19.50", "33.75", "+14.25", "19.5000", "33.7500") in rows


def test_the_page_shows_means_over_seeds_and_their_spread():
    page = _page(_tables(seeds=(0, 1)))
    assert ("a", "31.13", "21.50") in _rows(page)
    assert re.findall(r'class="best">([\d.]+ ± [\d.]+)', page) == ["32.50 ± 1.41"]  # 31.5 and 33.5


def test_the_best_are_marked_and_joint_is_only_a_reference(page):
    assert re.findall(r'class="best"[^>]*>([^<]+)', page) == ["31.50", "+2.75", "+16.12"]
    assert ">33.00<" in page


def test_orders_of_other_datasets_have_rows_and_panels_of_their_own(full, full_page):
    continual = full.tables["continual"]
    shorter = continual[continual["order"] == "a>b"]
    unlike = pd.concat([continual, shorter.assign(order="a>far")], ignore_index=True)
    frames = dict(full.tables) | {"continual": unlike, "summary": summary_table(unlike)}
    page = render(replace(full, tables=frames))
    rows = _rows(page)
    names = [(row[0], row[1]) for row in rows if row[1:2] in (("a, b",), ("a, far",))]
    assert (
        sorted(names)
        == sorted(
            (method, over)
            for method, sets in {"finetune": 2, "nr": 2, "joint": 2, "individual": 1}.items()  # far has no network
            for over in ("a, b", "a, far")[:sets]
        )
    )
    assert "datasets" in {cell for row in rows for cell in row}
    assert "Over a, far: " in page
    spec, drawn = _specifications(page)["orders"]
    assert set(drawn["datasets"]) == {"a, b", "a, far"}
    assert "datasets" in spec["facet"]["row"]["field"]
    assert "row" not in _specifications(full_page)["orders"][0]["facet"]
    written = latex.verdict(verdict(frames))
    assert "a, far" in written
    assert "of the same datasets" in written
    paper = Figures(frames, {}, {}, {}, 0).on_paper("orders", "net", None)
    assert vl_convert.vegalite_to_svg(paper.on_paper).count("a, far") >= 1


def test_an_experiment_of_single_datasets_has_a_page_too_with_a_title_of_its_own(page):
    matrix = _tables()["matrix"]
    assert "<h1>What was kept, what was lost</h1>" in page
    page = _page(_of_matrix(matrix[matrix["method"] == "individual"]))
    assert "<h1>Scores of networks</h1>" in page
    assert "What was kept" not in page
    assert ("a", "net", "15.00", "30.13", "+15.13", "15.0000", "30.1260") in _rows(page)


def test_the_alarm_of_a_page_without_orders_leads_to_the_table_of_given_networks():
    matrix = _tables()["matrix"].query("method == 'individual'")
    given = matrix.assign(method="given", order="-", learned="-", psnr_y_db=1.0)
    page = _page(_of_matrix(given))
    assert "Alarm: some networks make images worse" in page
    links = {each["href"] for each in _Texts(page).attributes if each.get("href", "").startswith("#")} - {"#"}
    assert "#elsewhere" in links
    assert {link.removeprefix("#") for link in links} <= {each.get("id") for each in _Texts(page).attributes}


@pytest.mark.parametrize(("protocol", "said"), [("wang2009", "are shrunk first"), ("full_size", "as they are")])
def test_the_page_tells_the_protocol_of_its_ssim(protocol, said):
    text = " ".join(_page(_tables(), ssim=protocol).split())
    assert f"(evaluation.ssim: {protocol})" in text
    assert said in text


def test_an_exactly_restored_image_leaves_the_page_finite(full):
    cards = [
        replace(
            card, pictures=[replace(shown, psnr_y_db=math.inf) if shown.psnr_y_db else shown for shown in card.pictures]
        )
        for card in full.cards
    ]
    frames = dict(full.tables)
    frames["theory-correlations"] = frames["theory-correlations"].assign(pearson=math.nan)
    page = render(replace(full, cards=cards, tables=frames))
    assert "</b> ∞ dB" in page
    assert "inf dB" not in page
    assert not {"nan", "inf", "−inf", "+inf"} & {cell for row in _rows(page) for cell in row}


# --- charts


def test_charts_of_everything_are_on_the_page_and_described(full_page):
    specifications = _specifications(full_page)
    assert specifications.keys() == {
        "orders", "matrix", "curves", "training", "moves", "omega-layers", "omega-distribution", "omega-overlap",
        "strengths", "tradeoff", "theory", "chord", "blends",
    }  # fmt: skip
    for spec, _ in specifications.values():
        assert len(spec["description"]) > 30


def test_the_matrix_chart_has_every_number_of_the_table(full, full_page):
    _, rows = _specifications(full_page)["matrix"]
    table = full.tables["matrix"]
    for seed in (0, 1):
        drawn = rows[(rows["seed"] == str(seed)) & (rows["stage"] > 0)]
        keyed = drawn.set_index(["method", "order", "stage", "dataset"])[list(METRICS)].sort_index()
        runs = table[(table["seed"] == seed) & table["order"].str.contains(">")]
        runs = runs.assign(order=runs["order"].map({"a>b": 0, "b>a": 1}))
        expected = runs.set_index(["method", "order", "stage", "dataset"])[list(METRICS)].sort_index()
        pd.testing.assert_frame_equal(keyed, expected, rtol=1e-7, check_names=False)
    mean = rows[(rows["seed"] == "mean") & (rows["stage"] > 0)]
    both = rows[(rows["seed"] != "mean") & (rows["stage"] > 0)]
    keys = ["method", "order", "stage", "dataset"]
    np.testing.assert_allclose(
        mean.set_index(keys)["psnr_y_db"].sort_index(), both.groupby(keys)["psnr_y_db"].mean().sort_index(), rtol=1e-5
    )


def test_eleven_methods_look_different_in_a_chart():
    methods = [f"m{n}" for n in range(11)]
    of_method = charts.theory(
        pd.DataFrame(
            {"network": "net", "seed": 0, "method": methods, "datasets": "a>b", "dataset": "a"}
            | dict.fromkeys(("change", "first_order", "bound"), 0.1)
        ),
        {},
        charts.Common(methods),
    )
    found = json.dumps(of_method.to_dict())
    colours, shapes = (
        json.loads(re.search(rf'"{channel}": {{.*?"range": (\[.*?\])', found)[1]) for channel in ("color", "shape")
    )
    assert len(set(zip(colours, shapes, strict=True))) == len(methods)


def _encodings(part):
    """All colour and shape encodings of names in a specification."""
    if isinstance(part, list):
        return [each for item in part for each in _encodings(item)]
    if not isinstance(part, dict):
        return []
    channels = [(name, part[name]) for name in ("color", "shape") if isinstance(part.get(name), dict)]
    own = [(name, channel) for name, channel in channels if "range" in channel.get("scale", {})]
    return own + [each for item in part.values() for each in _encodings(item)]


def test_a_name_has_one_colour_and_shape_in_all_charts_whichever_of_them_it_shows():
    """Tables have their own orders of rows: theory is sorted by stage, and the chord begins with the blends."""
    methods = ("zeta", "nr", "alpha")
    frames = pagecontent.tables(methods=methods)
    frames["theory"] = frames["theory"].sort_values("method")
    frames["chord"] = frames["chord"].assign(method="nr")
    frames["moves"] = frames["moves"][frames["moves"]["method"] != "zeta"]
    frames["omega-layers"] = frames["omega-layers"][frames["omega-layers"]["datasets"] != "a"]
    figures = Figures(frames, {"alpha": "gradient"}, {}, {}, 0)
    pages = list(figures.on_page())
    papers = [figures.on_paper("omega-distribution", "net", "b>a"), figures.on_paper("moves", "net", "b>a")]
    looks, charts_of = {}, {}
    for figure in pages + papers:
        for channel, encoding in _encodings(figure.specification):
            domain, values = encoding["scale"]["domain"], encoding["scale"]["range"]
            assert domain == sorted(domain, key=[*methods, "joint", *domain].index)
            for name, value in zip(domain, values, strict=True):
                looks.setdefault((channel, name), set()).add(value)
                charts_of.setdefault(name, set()).add(figure.name)
    assert {len(values) for values in looks.values()} == {1}
    assert charts_of["alpha"] == {"orders", "curves", "chord", "training", "moves", "theory"}
    assert charts_of["b"] == {"omega-layers", "omega-distribution"}


def test_candidates_of_one_network_are_drawn_at_a_time_and_their_lines_do_not_mix():
    both = [pagecontent.tables(network=network, seeds=(0,)) for network in ("net", "bet")]
    frames = {name: pd.concat([tables[name] for tables in both], ignore_index=True) for name in both[0]}
    figures = Figures(frames, {}, {}, {}, 0)
    on_page = {figure.name: figure.specification for figure in figures.on_page()}
    for name, points in {"strengths": 3, "tradeoff": 3, "blends": 2}.items():
        for spec in (on_page[name], figures.on_paper(name, "bet", None).specification):
            lines = vl_convert.vegalite_to_svg(spec).split('class="mark-line role-mark')[1].split("</g>")[0]
            (line,) = re.findall(r' d="(M[^"]*)"', lines)
            assert line.count("L") == points - 1
    assert '"field": "network"' in json.dumps(on_page["theory"])


def test_thirty_lines_look_different():
    encodings = vega.line((f"m{n}" for n in range(30)), (), "method", "method")
    ranges = [encoding.to_dict(context={})["scale"]["range"] for encoding in encodings.values()]
    assert len(encodings) == 2
    assert len({json.dumps(look) for look in zip(*ranges, strict=True)}) == 30
    assert set(vega.line("abc", (), "method", "method")) == {"color"}


def test_long_names_that_differ_only_at_their_end_look_different():
    start = "a-name-with-a-common-beginning-of-more-letters-than-a-label-has-"
    names = {"a": f"{start}1", "b": f"{start}2", "methods": (f"{start}3", f"{start}4")}
    frames = pagecontent.tables(**names)
    figures = Figures(frames, {names["methods"][1]: "gradient"}, {}, {}, 0)
    for figure in figures.on_page():
        svg = vl_convert.vegalite_to_svg(figure.specification)
        labels = [text for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg) if "common" in text or "…" in text]
        assert all(label[-1] in "1234" and len(label) < len(start) for label in labels if start not in label)
        assert any("…" in label for label in labels) or figure.name == "omega-layers"


def test_labels_below_narrow_cells_stand_upright():
    for names, angle in ((("drizzle", "slanted"), 0), (("rain100l-old", "rain100h-old"), -90)):
        frames = pagecontent.tables(*names, other="x")
        found = {each.name: each.specification for each in Figures(frames, {"nr": "gradient"}, {}, {}, 0).on_page()}
        for panel in (found["matrix"]["spec"]["layer"][0], found["omega-overlap"]["layer"][0]):
            assert panel["encoding"]["x"]["axis"]["labelAngle"] == angle


def test_an_empty_bin_of_a_distribution_is_drawn_as_zero():
    """The table has no empty bins."""
    keys = {"network": "net", "method": "nr", "order": 0, "stage": 1}
    lows = {"a": (-5, -4, -2), "b": (-3,)}
    rows = pd.DataFrame(
        [keys | {"dataset": name, "log10_low": low, "log10_high": low + 1, "share": 0.5}
         for name, of in lows.items() for low in of]
    )  # fmt: skip
    chart = charts.omega_distribution(rows, {"network": "net", "order": 0}, charts.Common())
    (text,) = chart.to_dict()["datasets"].values()
    drawn = pd.read_csv(io.StringIO(text)).sort_values("log10_low")
    shares = {name: dict(zip(run["log10_low"], run["share"], strict=True)) for name, run in drawn.groupby("dataset")}
    assert shares == {"a": {-5: 0.5, -4: 0.5, -3: 0, -2: 0.5, -1: 0}, "b": {-3: 0.5, -2: 0}}


def test_every_panel_of_a_matrix_names_its_datasets(full_page):
    """Panels stand in rows of three, and those of the upper rows may have none below them."""
    for name in ("matrix", "curves"):
        assert _specifications(full_page)[name][0]["resolve"] == {"axis": {"x": "independent"}}


def test_a_curve_of_few_steps_has_dots_and_one_of_many_has_none():
    rows = pd.DataFrame({"network": "net", "method": "nr", "order": 0, "stage": 1, "dataset": "a", "step": range(40)})
    rows = rows.assign(progress=rows["step"] / 40, few=rows["step"].where(rows["step"] < 20), many=rows["step"])
    chart = charts.training(rows, {"network": "net", "order": 0}, charts.Common()).to_dict()
    points = {panel["encoding"]["y"]["field"]: panel["mark"]["point"] for panel in chart["concat"]}
    assert points["many"] is False
    assert points["few"]["size"] > 0


def test_training_curves_are_thinned_and_keep_their_ends():
    frames = pagecontent.tables(seeds=(0,))
    steps = pd.DataFrame({"step": range(1, 20_001), "reconstruction": 0.0, "validation_psnr_rgb_db": np.nan})
    stages = frames["training"].drop_duplicates(["network", "seed", "method", "datasets"])
    long = stages[["network", "seed", "method", "datasets"]].merge(steps, how="cross")
    rows = chartdata.training(long, ["a>b", "b>a"], pagecontent.METHODS, 0)
    assert len(rows) <= chartdata.POINTS
    for _, curve in rows.groupby(["method", "order", "stage"]):
        assert (curve["step"].iloc[0], curve["step"].iloc[-1]) == (1, 20_000)
    assert rows["progress"].max() == 2


@pytest.mark.parametrize("name", ["training", "moves"])
def test_charts_without_a_switch_for_seeds_show_the_first_seed_of_the_config(name):
    frames = pagecontent.tables(seeds=(5, 1))
    column = {"training": "reconstruction", "moves": "relative_move"}[name]
    both = pd.concat([frames[name].assign(seed=1, **{column: 7.0}), frames[name]], ignore_index=True)
    (text,) = (
        Figures(frames | {name: both}, {}, {}, {}, 5).on_paper(name, "net", "a>b").specification["datasets"].values()
    )
    drawn = pd.read_csv(io.StringIO(text))[column].dropna()
    assert len(drawn)
    assert 7 not in set(drawn)


@pytest.mark.parametrize("k", [1, 2])
def test_the_change_since_learned_counts_from_the_stage_that_has_learned_the_dataset(k):
    """Also of the datasets that a given network has learned together, at its first stage."""
    path = [("first", ">".join("abc"[:k])), *(("nr", ">".join("abc"[:n])) for n in range(k + 1, 4))]
    score = {(n, dataset): 20 + 3 * n + place**2 for n in range(k, 4) for place, dataset in enumerate("abc")}
    scores = pd.DataFrame(
        {"network": "net", "seed": 0, "method": method, "datasets": seen, "dataset": dataset, "image": "1"}
        | dict.fromkeys(METRICS, score[n, dataset])
        for n, (method, seen) in enumerate(path, k)
        for dataset in "abc"
    )
    rainy = pd.DataFrame({"dataset": dataset, "image": "1"} | dict.fromkeys(METRICS, 15.0) for dataset in "abc")
    table = matrix_table(scores, rainy, ["nr"], [["a", "b", "c"]], {"net": k})
    rows = chartdata.matrix(table, {"net": k})
    assert dict(zip(rows["dataset"], rows["learned_at"], strict=True)) == {"a": k, "b": 2, "c": 3}
    drawn = (
        charts.matrix(rows, {"network": "net", "order": 0, "seed": "0"}, charts.Common())
        .configure(**vega.CONFIG)
        .to_dict()
    )
    (view,) = (param for param in drawn["params"] if param["name"] == "view")
    view["value"] = "change"
    svg = vl_convert.vegalite_to_svg(drawn)
    cells = {
        (after, dataset): float(change)
        for after, change, dataset in re.findall(r'after: (\d)[^;]*; text: ([+\d.]+);[^"]*scored on: (\w)', svg)
    }
    learned = {"a": k, "b": 2, "c": 3}
    wanted = {(str(n), name): score[n, name] - score[at, name] for name, at in learned.items() for n in range(at, 4)}
    assert cells == wanted


def test_a_term_that_only_the_table_knows_is_drawn_under_its_own_name():
    frames = pagecontent.tables(seeds=(0,))
    frames["training"] = frames["training"].assign(curvature=lambda table: table["step"] / 7, seconds=1.5)
    rows = chartdata.training(frames["training"], ["a>b", "b>a"], pagecontent.METHODS, 0)
    assert chartdata.terms(rows) == ["reconstruction", "penalty", "curvature", "validation_psnr_rgb_db"]
    page = _page(frames, titles={"penalty": "penalty × strength"})
    spec, drawn = _specifications(page)["training"]
    titles = [panel["title"]["text"] for panel in spec["concat"]]
    assert titles == ["training loss", "penalty × strength", "curvature", "validation PSNR on RGB, dB"]
    assert sorted(drawn["curvature"].unique()) == pytest.approx([1 / 7, 2 / 7, 3 / 7])


def test_every_chart_of_the_list_has_a_function_and_a_place_on_the_page(full_page):
    for entry in CHARTS:
        assert callable(getattr(charts, entry.name.replace("-", "_")))
        assert full_page.count(f'id="chart-{entry.name}"') == 1
        assert html.escape(entry.note) in full_page


def test_a_figure_on_paper_has_the_rows_of_its_network_and_order_alone():
    frames = pagecontent.tables(seeds=(0,))
    figures = Figures(frames, {"nr": "gradient"}, {}, {}, 0)
    for entry in CHARTS:
        network, order = ("net" if "network" in entry.per else None), ("b>a" if "order" in entry.per else None)
        if entry.name == "omega-overlap":
            order = "a>b"  # the only one with two Ω
        figure = figures.on_paper(entry.name, network, order)
        (text,) = figure.specification["datasets"].values()
        rows = pd.read_csv(io.StringIO(text))
        if order:
            assert set(rows["order"]) == {figures.orders.index(order)}
            assert ("{order}" in entry.text) == (" → " in figure.alt)


def test_the_page_leads_to_the_pages_of_photographs(full, full_page):
    assert 'id="photographs"' not in full_page
    links = [("nr, a → b (net, seed 0)", "photographs/net/seed0/nr/a/b/index.html"), (NASTY, f"photographs/{NASTY}")]
    parsed = _Texts(render(replace(full, photographs=links)))
    hrefs = [a["href"] for a in parsed.attributes if not a.get("href", "#").startswith("#")]
    assert hrefs == ["photographs/net/seed0/nr/a/b/index.html", f"photographs/{quote(NASTY)}"]
    assert parsed.tags.count("script") == _Texts(full_page).tags.count("script")


# --- safety


def test_names_with_markup_quotes_and_other_letters_are_escaped_everywhere(full_page, tmp_path):
    plain = _Texts(full_page)
    names = {"a": IN_TABLE + "1", "b": IN_TABLE + "2", "other": NASTY, "network": NASTY, "image": NASTY}
    page = render(pagecontent.content(tmp_path, **names, methods=("finetune", NASTY), missing=()))
    parsed = _Texts(page)
    assert parsed.tags == plain.tags  # no tag more than with harmless names
    assert [set(attributes) for attributes in parsed.attributes] == [set(a) for a in plain.attributes]
    assert page.count("<script") == plain.tags.count("script")
    assert IN_TABLE + "1 → " + IN_TABLE + "2" in html.unescape(page)
    assert any((attributes.get("alt") or "").startswith(f"{IN_TABLE}1, {NASTY}: ") for attributes in parsed.attributes)
    _, rows = _specifications(page)["matrix"]
    assert set(rows["method"]) == {"finetune", NASTY, "joint"}
    assert set(rows["dataset"]) == {IN_TABLE + "1", IN_TABLE + "2", NASTY}


def test_the_page_asks_nothing_of_anyone(full_page):
    parsed = _Texts(full_page)
    assert all(a["src"].startswith("data:image/") for a in parsed.attributes if "src" in a)
    assert all(a["href"].startswith("#") for a in parsed.attributes if "href" in a)
    assert not {"link", "iframe", "object", "embed"} & set(parsed.tags)
    (policy,) = (a["content"] for a in parsed.attributes if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "url(" not in full_page.split("</style>")[0]


def test_every_image_has_a_text_and_no_picture_is_on_the_page_twice(full, full_page):
    images = [a for tag, a in zip(*_tags(full_page), strict=True) if tag == "img" and ("src" in a or "data-same" in a)]
    assert all(image["alt"] for image in images)
    sources = [image["src"] for image in images if "src" in image]
    assert len(sources) == len(set(sources))
    shown = [picture.data_uri for card in full.cards for picture in card.pictures]
    shown += [picture.data_uri for card in full.cards for *_, along in card.stages for picture in along]
    assert set(sources) == set(shown)
    assert {image["data-same"] for image in images if "data-same" in image} <= {image.get("id") for image in images}


def test_pictures_are_told_apart_by_their_roles_and_runs_whatever_their_captions(tmp_path):
    """Methods may be called like the images beside their own."""
    found = pagecontent.content(tmp_path, methods=("clean", "rainy"))
    figures = [each for each in _Texts(render(found)).attributes if "data-role" in each]
    judged = verdict(found.tables)
    (best,) = judged.loc[judged["best_average"], "method"]
    expected = [
        (shown.role, "/".join(shown.run), shown.run == ("net", best))
        for card in found.cards
        for shown in [*card.pictures, *(each for *_, along in card.stages for each in along)]
    ]
    assert [(each["data-role"], each["data-run"], "data-best" in each) for each in figures] == expected
    roles = [role for role, *_ in expected]
    assert (roles.count("rainy"), roles.count("clean")) == (7, 6)
    assert {run for role, run, _ in expected if role == "restored"} == {"net/clean", "net/rainy"}


def _tags(page):
    parsed = _Texts(page)
    return parsed.tags, parsed.attributes


def test_what_is_missing_is_said(page):
    found = _page(_tables(), missing=["nr, a → b (net, seed 0): failed (<b>)"])
    assert "<li>nr, a → b (net, seed 0): failed (&lt;b&gt;)</li>" in found
    assert "Not everything is here" not in page


def test_cost_is_told_by_rule_the_longest_first_and_its_lack_too(page):
    cost = pd.DataFrame(
        {"rule": ["pack", "next"], "jobs": [2, 4], "seconds": [1.25, 60.0], "cpu_seconds": [1.0, 59.5],
         "max_rss_mib": [100.4, 512.0]}
    )  # fmt: skip
    rows = _rows(_page(_tables(), provenance=Provenance(cost=cost)))
    assert rows.index(("next", "4", "60.0", "59.5", "512")) < rows.index(("pack", "2", "1.2", "1.0", "100"))
    assert "were not measured" in page


def test_machines_that_made_stages_are_told_with_their_processors(tmp_path):
    """origin.json of older runs names no processor."""
    there = {"host": "node7", "folder": "/run/results/stages/x", "date": "2026-01-01 00:00:00"}
    kinds = [
        {"processor": "Some CPU", "instruction_set": "AVX2"},
        {"processor": "Some CPU", "instruction_set": "AVX512"},
    ]
    for n, more in enumerate([*kinds, {}, kinds[0] | {"taken_from": "/store"}, kinds[0]]):
        (tmp_path / str(n)).mkdir()
        (tmp_path / str(n) / "origin.json").write_text(json.dumps(there | more))
    places = made_where(tmp_path / str(n) / "theta.safetensors" for n in range(6))
    page = _page(_tables(), provenance=Provenance(places=places, versions=versions()))
    for line in (
        "2 stages trained on node7 (Some CPU, AVX2)",
        "1 stage trained on node7 (Some CPU, AVX512)",
        "1 stage trained on node7 (processor not recorded)",
        "1 stage taken from a store, made on node7 (Some CPU, AVX2)",
        f"processor {processor()}",
    ):
        assert line in page


@pytest.mark.slow
def test_a_page_of_twenty_datasets_keeps_its_size():
    """3 orders × 20 datasets × 8 methods × 3 seeds; the pictures have a budget of their own."""
    names, methods = [f"dataset{n:02}" for n in range(20)], [f"method{n}" for n in range(8)]
    orders = [names, names[::-1], names[7:] + names[:7]]
    index = pd.MultiIndex.from_product(
        [["net"], range(3), methods, [">".join(order) for order in orders], range(1, 21), names],
        names=["network", "seed", "method", "order", "stage", "dataset"],
    )
    matrix = index.to_frame(index=False)
    rng = np.random.default_rng(0)
    matrix["learned"] = [order.split(">")[n - 1] for order, n in zip(matrix["order"], matrix["stage"], strict=True)]
    matrix["images"] = 100
    for metric in METRICS:
        matrix[metric] = rng.uniform(20, 30, len(matrix))
        matrix[f"rainy_{metric}"], matrix[f"gain_{metric}"] = 20.0, 0.5
    tables = _of_matrix(matrix)
    of_stages = matrix[matrix["dataset"] == names[0]].drop(columns="dataset")
    paths = [">".join(order.split(">")[:n]) for order, n in zip(of_stages["order"], of_stages["stage"], strict=True)]
    stages = of_stages.assign(datasets=paths)[["network", "seed", "method", "datasets"]]
    stages.loc[~stages["datasets"].str.contains(">"), "method"] = "first"
    stages = stages.drop_duplicates()
    steps = pd.DataFrame({"step": range(100)} | dict.fromkeys([*charts.TITLES, "penalty", "distillation"], 0.123456789))
    tables["training"] = stages.merge(steps, how="cross")
    layers = pd.DataFrame({"layer": [f"layer{n}" for n in range(24)], "share": 1 / 24, "relative_move": 0.123456})
    tables["moves"] = stages.merge(layers, how="cross")
    omegas = stages.assign(importance="gradient")
    tables["omega-layers"] = omegas.merge(layers, how="cross")
    tables["omega-distribution"] = omegas.merge(
        pd.DataFrame({"log10_low": range(20), "log10_high": range(1, 21), "share": 0.05}), how="cross"
    )
    tables["omega-overlap"] = omegas.merge(pd.DataFrame({"earlier": names[:10], "overlap": 0.5}), how="cross")
    page = _page(tables, importances=dict.fromkeys(methods, "gradient"))
    assert len(page.encode()) + BUDGET <= 15_000_000


def test_left_out_images_are_told(full, full_page):
    assert "3 more images are left out" in render(replace(full, left_out=3))
    assert "left out" not in full_page


# --- the experiment, its networks, and what the numbers mean


def test_the_name_of_the_experiment_is_on_the_page(page):
    named = _page(_tables(), name="first <try>")
    assert "<title>first &lt;try&gt;: What was kept, what was lost</title>" in named
    assert "Experiment <b>first &lt;try&gt;</b>" in named
    assert "Experiment" not in page


def _theta(method, datasets, final=True):
    file = f"results/stages/net/seed0/{method}/{datasets.replace('>', '/')}/theta.safetensors"
    return Theta("net", 0, method, datasets, file, final)


def test_each_network_has_its_path_and_one_the_command_that_uses_it(page):
    thetas = [_theta("first", "a"), _theta("joint", "a>b"), _theta("nr", "a>b"), _theta("nr", "a", final=False)]
    found = _page(_tables(), thetas=thetas, seconds_an_image=0.126)
    command = re.search(r'<pre class="command">([^<]+)</pre>', found)[1]
    assert command == f"derain restore PHOTOS -o restored --network {thetas[2].file}"  # of the best method
    rows = _rows(found)
    assert ("individual", "net", "0", "a", thetas[0].file) in rows
    assert ("joint", "net", "0", "a, b", thetas[1].file) in rows
    assert ("nr", "net", "0", "a → b", thetas[2].file) in rows
    assert "<summary>Networks in the middle of an order</summary>" in found
    assert "Scoring took 0.13 s an image" in found
    assert "Scoring took" not in _page(_tables(), thetas=thetas)
    assert "derain restore" not in page


def test_the_command_on_the_page_is_one_that_derain_takes():
    page = _page(_tables(), thetas=[_theta("nr", "a>b c")])
    words = shlex.split(html.unescape(re.search(r'<pre class="command">([^<]+)</pre>', page)[1]))
    parser = argparse.ArgumentParser()
    restore.add_options(parser)
    assert words[:2] == ["derain", "restore"]
    given = parser.parse_args(words[2:])
    assert given.network == "results/stages/net/seed0/nr/a/b c/theta.safetensors"


def test_the_command_of_a_class_of_ones_own_names_its_place(page):
    own = replace(_theta("nr", "a>b"), place="my nets/net.py:Small")
    page_of_own = _page(_tables(), thetas=[own])
    words = shlex.split(html.unescape(re.search(r'<pre class="command">([^<]+)</pre>', page_of_own)[1]))
    parser = argparse.ArgumentParser()
    restore.add_options(parser)
    given = parser.parse_args(words[2:])
    assert (given.backbone, given.network) == (own.place, own.file)
    assert "<code>--backbone my nets/net.py:Small</code> for net." in page_of_own
    assert "--backbone" not in _page(_tables(), thetas=[_theta("nr", "a>b")])


@pytest.mark.parametrize(("measured", "expected"), [(4, 0.5), (3, None)])
def test_the_time_of_an_image_needs_every_scoring_job(measured, expected):
    cost = pd.DataFrame({"rule": ["next", "evaluate"], "jobs": [4, measured], "seconds": [90.0, 20.0]})
    scores = pd.DataFrame({"image": range(40)})
    assert _seconds_an_image(cost, scores, jobs=4) == expected
    assert _seconds_an_image(None, scores, jobs=4) is None


def test_networks_that_start_from_given_weights_are_called_so(page):
    started = _page(_tables(), started=["net"])
    assert ("a", "net (from given weights)", "15.00", "30.13", "+15.13", "15.0000", "30.1260") in _rows(started)
    assert "individual <small>(from given weights)</small>" in started
    assert "from given weights" not in page


def test_the_terms_stand_in_one_place_that_captions_and_columns_link_to(full_page):
    page = full_page
    terms = re.findall(r'<dt id="(term-\w+)">', page)
    assert {"term-forgetting", "term-bwt", "term-fwt", "term-intransigence", "term-harms", "term-noise"} <= set(terms)
    linked = set(re.findall(r'href="#(term[\w-]*)"', page))
    assert linked <= {"terms", *terms}
    assert {"terms", "term-forgetting", "term-bwt", "term-fwt", "term-intransigence"} <= linked
    for chart in ("orders", "matrix"):
        caption = re.search(rf'id="chart-{chart}".*?<figcaption>(.*?)</figcaption>', page, re.S)[1]
        assert 'href="#terms"' in caption


def test_the_points_of_the_moves_chart_differ_by_stage_and_the_caption_says_so(full_page):
    spec, rows = _specifications(full_page)["moves"]
    assert spec["encoding"]["size"]["field"] == "stage"
    assert "A point for each method and stage: the more datasets are learned, the larger it is." in full_page
    assert set(rows["stage"]) == {2}


def test_validation_names_its_metric(full_page):
    specs = _specifications(full_page)
    assert "validation PSNR on RGB" in json.dumps(specs["strengths"][0])
    assert "validation PSNR on RGB" in json.dumps(specs["training"][0])
