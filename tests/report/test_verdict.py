"""What the page says of the methods: compared with one rival, with the noise, with references, and with the rainy
input.
"""

import re

import numpy as np
import pandas as pd
import pytest
from derain.evaluation.continual import tables_by_rounding
from derain.evaluation.metrics import METRICS
from derain.report import chartdata, latex
from derain.report.content import Content
from derain.report.page import render
from derain.report.verdict import harms, verdict
from derain.report.wording import alarms, lines, plain, sentences, signed
from scipy import stats

IMAGES = 12
OWN = {"first>a": {"a": 30.0, "b": 21.0}, "first>b": {"a": 22.0, "b": 30.0}}


def tables(finals, seeds=(0,), rainy=20.0, methods=None, spread=0.3, of_seeds=None):
    """The tables of one order, a > b. finals: score on a and on b of each method, of joint, and of a given network;
    spread: standard deviation over images of what differs between networks; of_seeds: what each seed adds, by method.
    """
    rng = np.random.default_rng(1)
    of_image = {(d, n): rng.normal(0, 3) for d in "ab" for n in range(IMAGES)}
    stages = {("net", "first", "a"): OWN["first>a"], ("net", "first", "b"): OWN["first>b"]}
    for name, (a, b) in finals.items():
        key = {"joint": ("net", "joint", "a>b"), "given": ("elsewhere", "given", "-")}.get(name, ("net", name, "a>b"))
        stages[key] = {"a": a, "b": b}
    scores = [
        {"network": network, "seed": seed, "method": method, "datasets": path, "dataset": dataset, "image": str(n)}
        | dict.fromkeys(METRICS, value + base + rng.normal(0, spread) + (of_seeds or {}).get(method, (0,) * 9)[seed])
        for (network, method, path), values in stages.items()
        for seed in (seeds if method != "given" else (0,))
        for dataset, value in values.items()
        for (of, n), base in of_image.items()
        if of == dataset
    ]
    inputs = [
        {"dataset": d, "image": str(n)} | dict.fromkeys(METRICS, rainy + base) for (d, n), base in of_image.items()
    ]
    scored = pd.DataFrame(scores).assign(rounding="nearest")
    names = methods or [name for name in finals if name not in ("joint", "given")]
    found = tables_by_rounding(scored, pd.DataFrame(inputs), ["nearest"], names, [["a", "b"]], {})
    return found | {"scores": scored}


def said(finals, **more):
    (text,) = sentences(verdict(tables(finals, **more)))
    return text


def test_a_clear_lead_is_told_with_its_interval_and_the_same_rival_throughout():
    found = tables({"nr": (28, 27), "finetune": (24, 28), "ewc": (20, 21)})
    scores = found["scores"].set_index(["method", "dataset", "image"])["psnr_y_db"].sort_index()
    of_each = [(scores["nr", d] - scores["finetune", d]).to_numpy() for d in "ab"]
    mean = np.mean([each.mean() for each in of_each])
    (text,) = sentences(verdict(found))
    assert re.match(r"nr is best on average of the 3 methods, with 27\.\d\d dB, ", text)
    assert f"{mean:.2f} dB ahead of finetune (95 % interval +" in text
    assert "over 24 test images; one seed)" in text
    assert re.search(
        r"It forgets 2\.\d\d dB, finetune \d\.\d\d dB, and it gains \d\.\d\d dB less on new datasets\.", text
    )
    assert "ewc" not in text


def test_the_interval_over_images_is_half_of_welchs():
    """The mean of two groups, x and y, is half of x − (−y), which Welch's test estimates."""
    found = tables({"nr": (28, 27), "finetune": (26, 26)})
    judged = verdict(found).set_index("method")
    scores = found["scores"].set_index(["method", "dataset", "image"])["psnr_y_db"].sort_index()
    a, b = ((scores["finetune", d] - scores["nr", d]).to_numpy() for d in "ab")
    expected = stats.ttest_ind(a, -b, equal_var=False).confidence_interval(0.95)
    line = judged.loc["finetune"]
    assert (line["to_best_low"], line["to_best_high"]) == pytest.approx((expected.low / 2, expected.high / 2))
    assert line["to_best"] == pytest.approx((a.mean() + b.mean()) / 2)
    assert (line["compared_images"], line["compared_seeds"]) == (24, 1)


def test_a_lead_within_the_noise_makes_nothing_the_best():
    near = {"nr": (26.05, 26.05), "finetune": (26, 26)}
    text = said(near, spread=2.0)
    assert re.match(r"\w+ has the highest average of the two methods, 2\d\.\d\d dB; its lead of 0\.\d\d dB over ", text)
    assert re.search(r"over (nr|finetune) is within the noise \(95 % interval −", text)
    assert "is best on" not in text
    judged = verdict(tables(near, spread=2.0))
    assert not any(line["average"]["star"] for line in lines(judged))
    assert r"\star" not in latex.verdict(judged).partition(r"\midrule")[2]
    clear = verdict(tables({"nr": (28, 28), "finetune": (26, 26)}))
    assert [line["method"] for line in lines(clear) if line["average"]["star"]] == ["nr"]
    assert r"$^\star$" in latex.verdict(clear).partition(r"\midrule")[2]


def test_what_rounds_to_zero_has_no_sign():
    assert [signed(value) for value in (-0.001, -0.0, 0.004, -0.006, 0.006)] == [
        "0.00",
        "0.00",
        "0.00",
        "−0.01",
        "+0.01",
    ]
    assert [plain(value) for value in (-0.001, -1.0, -np.inf)] == ["0.00", "−1.00", "−∞"]
    found = tables({"nr": (30.001, 30), "finetune": (28, 29)}, spread=0)
    (line,) = (line for line in lines(verdict(found)) if line["method"] == "nr")
    assert line["forgetting"]["text"] == "0.00"
    for text in (latex.orders(found["continual"]), latex.verdict(verdict(found)), render(Content(found))):
        assert not re.search(r"(−|\+|\$-\$)0\.00(?!\d)", text.split("<script")[0])


def test_methods_of_equal_scores_are_told_to_be_equal():
    found = tables({"nr": (27, 28), "finetune": (26, 27)}, spread=0)
    same = [frame.assign(method="copy") for name in ("scores",) for frame in [found[name].query("method == 'nr'")]]
    scores = pd.concat([found["scores"].query("method != 'finetune'"), *same], ignore_index=True)
    rainy = scores.drop_duplicates(["dataset", "image"])[["dataset", "image"]].assign(**dict.fromkeys(METRICS, 20.0))
    equal = tables_by_rounding(scores, rainy, ["nearest"], ["nr", "copy"], [["a", "b"]], {}) | {"scores": scores}
    text = sentences(verdict(equal))[0]
    assert re.match(r"nr and copy have the highest average of the two methods, 2\d\.\d\d dB\. nr forgets", text)
    assert "and nr gains as much on new datasets." in text


def test_the_rival_is_one_that_is_within_the_noise_if_any_is():
    """The second is clearly behind on every image; the third has the same mean difference but much noise."""
    found = tables({"nr": (28, 28), "second": (27.5, 27.5), "third": (27.4, 27.4)}, spread=0.05)
    noisy = found["scores"]["method"] == "third"
    swing = np.tile([9.0, -9.0], noisy.sum() // 2)
    scores = found["scores"].copy()
    scores.loc[noisy, "psnr_y_db"] += swing
    text = sentences(verdict(found | {"scores": scores}))[0]
    assert text.startswith("nr has the highest average of the 3 methods")
    assert re.search(r"its lead of 0\.\d\d dB over third is within the noise", text)


def test_seeds_that_disagree_are_noise_too():
    finals = {"nr": (28, 28), "finetune": (27, 27)}
    steady = said(finals, seeds=(0, 1, 2), of_seeds={"nr": (0.1, 0, -0.1)}, spread=0.05)
    assert "nr is best on average of the two methods" in steady
    assert re.search(r"over 24 test images and \+0\.\d\d to \+1\.\d\d dB over 3 seeds\)", steady)
    text = said(finals, seeds=(0, 1, 2), of_seeds={"nr": (2.5, -0.5, -2.0)}, spread=0.05)
    assert text.startswith("nr has the highest average of the two methods")


@pytest.mark.parametrize(
    ("finals", "best"),
    [
        ({"nr": (26, 26), "finetune": (24, 24), "joint": (31, 31)}, "joint training on all datasets at once, with 31"),
        ({"nr": (26, 26), "finetune": (24, 24)}, "individual networks, one for each dataset, with "),
        ({"nr": (26, 26), "finetune": (24, 24), "given": (33, 33)}, "the given network elsewhere, with 33"),
        ({"nr": (34, 34), "finetune": (24, 24), "given": (33, 33), "joint": (31, 31)}, None),
    ],
)
@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_what_is_better_than_every_method_is_named(finals, best, seeds):
    text = said(finals, seeds=seeds, of_seeds={"nr": (0, 0.05, -0.05)}, spread=0.01)
    if best is None:
        assert "Best overall" not in text
    else:
        assert f"Best overall: {best}" in text
        assert "above nr (95 % interval +" in text


def test_a_reference_within_the_noise_is_not_best():
    text = said({"nr": (30.9, 30.9), "finetune": (24, 24), "joint": (31, 31)}, spread=3.0)
    assert "Best overall" not in text


def test_one_test_image_tells_nothing_of_the_noise():
    found = tables({"nr": (28, 28), "finetune": (26, 26)})
    alone = {"scores": found["scores"][found["scores"]["image"] == "0"]}
    text = sentences(verdict({name: found[name] for name in ("matrix", "continual", "summary")}))[0]
    assert re.search(r"; how much of its lead of \d\.\d\d dB over finetune is noise is not known\.", text)
    assert "is best" not in text
    assert not verdict(found | alone)["beyond_noise"].any()


# --- harms


def test_what_is_below_its_rainy_input_is_an_alarm_in_the_verdict_the_matrix_and_the_table():
    found = tables({"nr": (28, 27), "finetune": (18.3, 28)}, spread=0)
    ((network, method, order, dataset, rainy, score),) = harms(found["matrix"])
    assert (network, method, order, dataset) == ("net", "finetune", "a>b", "a")
    assert score - rainy == pytest.approx(-1.7)
    (line,) = alarms(found["matrix"])
    assert line == f"finetune, after a → b: a, {rainy:.2f} dB rainy → {score:.2f} dB restored"
    judged = verdict(found).set_index("method")
    assert judged["harms"].to_dict() == {"finetune": "a", "nr": "", "individual": ""}
    assert judged.loc["finetune", "lowest_gain"] == pytest.approx(-1.7)
    page = render(Content(found))
    assert f"<li>{line}</li>" in page
    assert page.count('class="harms harm">▼ a −1.70<') == 1
    assert re.findall(r'<td class="harm">▼ ([\d.]+)', page) == [f"{score:.2f}"]
    assert r"a $-$1.70" in latex.verdict(judged.reset_index())


def test_no_harm_is_no_alarm():
    found = tables({"nr": (28, 27), "finetune": (26, 28)})
    assert alarms(found["matrix"]) == []
    assert "Alarm" not in render(Content(found))
    assert {line["harms"] for line in lines(verdict(found))} == {"none"}


def test_the_harms_of_a_given_network_and_of_several_datasets_are_told():
    found = tables({"nr": (28, 27), "finetune": (19, 16), "given": (19.5, 30)}, spread=0)
    told = alarms(found["matrix"])
    assert [line.partition(":")[0] for line in told] == [
        "finetune, net, after a → b", "finetune, net, after a → b", "given, elsewhere"
    ]  # fmt: skip
    judged = verdict(found)
    texts = {(line["network"], line["method"]): line["harms"] for line in lines(judged)}
    assert texts["net", "finetune"] == "2: b −4.00"
    assert texts["elsewhere", "given"] == "a −0.50"


def test_the_alarm_leads_to_the_tables_that_mark_its_networks_and_counts_a_joint_network_once():
    kinds = {"nr": "matrix", "joint": "matrix", "given": "elsewhere", "individual": "individual"}
    high = {"nr": (28, 27), "joint": (28, 27), "given": (28, 27)}
    for method, section in kinds.items():
        found = tables(high | ({} if method == "individual" else {method: (15, 27)}), spread=0)
        if method == "individual":
            low = (found["matrix"]["method"] == "individual") & (found["matrix"]["learned"] == "a")
            found["matrix"].loc[low, "psnr_y_db"] = 15.0
        (text,) = re.findall(r"▼ marks\s+such scores in (.*?)</p>", render(Content(found)), re.S)
        assert re.findall(r'href="#(\w+)"', text) == [section]
    matrix = tables(high | {"joint": (15, 27)}, spread=0)["matrix"]
    turned = matrix[(matrix["method"] == "joint") & (matrix["stage"] == 2)].assign(order="b>a")
    (line,) = alarms(pd.concat([matrix, turned], ignore_index=True))
    assert line.startswith("joint, net, after a, b: a, ")


# --- the chord


def _chord(seed, old, new, of_line=True):
    """Blends of fine-tuning from (α = 0) to (α = 1), (old, new) of both ends; line: whether it is the line to beat."""
    rows = [
        {"network": "net", "seed": seed, "method": "finetune", "datasets": "a>b", "alpha": alpha, "line": of_line}
        | {"importance": "-" if of_line else "fisher"}
        | {f"old_{name}": old[alpha] for name in METRICS}
        | {f"new_{name}": new[alpha] for name in METRICS}
        for alpha in (0, 1)
    ]
    return pd.DataFrame(rows)


def test_what_a_method_has_above_the_chord_is_the_mean_over_seeds_of_its_new_score_minus_the_lines():
    """The scores of all images are those of their network, to the digit: the line is at 24 dB where a has 26."""
    found = tables({"nr": (26, 25), "finetune": (24, 28), "joint": (29, 29)}, seeds=(0, 1), spread=0)
    mean = found["matrix"].set_index(["method", "seed", "stage", "dataset"])["psnr_y_db"]
    base = {d: mean["nr", 0, 2, d] - score for d, score in zip("ab", (26, 25), strict=True)}
    old, new = (28 + base["a"], 24 + base["a"]), (20 + base["b"], 28 + base["b"])
    lines_of_seeds = [_chord(0, old, new), _chord(1, old, (new[0] + 2, new[1] + 2)), _chord(0, new, new, of_line=False)]
    judged = verdict(found | {"chord": pd.concat(lines_of_seeds)}).set_index("method")["above_chord"]
    assert judged["nr"] == pytest.approx(((25 - 24) + (25 - 26)) / 2)
    assert judged["finetune"] == pytest.approx((0 - 2) / 2)
    assert judged[["joint", "individual"]].isna().all()


def test_the_column_is_in_words_on_the_page_and_in_latex_only_where_there_is_a_chord():
    found = tables({"nr": (26, 25), "finetune": (24, 28)}, spread=0)
    with_chord = found | {"chord": _chord(0, (28, 24), (20, 28))}
    judged = verdict(with_chord)
    (above,) = judged.loc[judged["method"] == "nr", "above_chord"]
    text = f"{above:+.2f}".replace("-", "−")
    assert [line["above_chord"] for line in lines(judged)] == [
        text if method == "nr" else "–" if method == "individual" else line["above_chord"]
        for method, line in zip(judged["method"], lines(judged), strict=True)
    ]
    page = render(Content(with_chord))
    assert f'<td data-label="above the chord ↑">{text}</td>' in page
    assert 'id="chart-chord"' in page
    assert "above the chord" in latex.verdict(judged)
    without = verdict(found)
    assert "above_chord" not in without
    assert "above the chord" not in latex.verdict(without) + render(Content(found))


def test_a_stage_without_blends_has_no_panel():
    """As the first stage of a given network that has learned several datasets."""
    matrix = tables({"nr": (26, 25), "finetune": (24, 28)}, spread=0)["matrix"]
    drawn = chartdata.chord(_chord(0, (28, 24), (20, 28)), matrix, ["a>b"])
    assert set(drawn["after"]) == {"2. b"}
    assert set(drawn.loc[drawn["line"] == 0, "name"]) == {"nr", "finetune"}
    other = _chord(0, (28, 24), (20, 28)).assign(datasets="a>b>c")
    assert chartdata.chord(other, matrix, ["a>b"]).empty


@pytest.mark.parametrize("seeds", [(0,), (1,), (1, 2)])
def test_a_network_that_is_only_evaluated_is_compared_with_methods_of_any_seeds(seeds):
    judged = verdict(tables({"nr": (28, 27), "finetune": (24, 28), "given": (25, 25)}, seeds=seeds))
    line = judged.set_index("method").loc["given"]
    assert (line["compared_images"], line["compared_seeds"]) == (24, len(seeds))
    assert line["to_best_low"] < line["to_best"] < line["to_best_high"] < 0


def test_the_last_stage_of_an_order_may_be_the_first_stage_of_all_methods():
    """A given network has learned both datasets of the order at once; its stage is that of every method."""
    found = tables({"nr": (28, 27)})
    scores = found["scores"]
    as_first = scores.assign(method=scores["method"].replace({"nr": "first"}))
    line = verdict(found | {"scores": as_first}).set_index("method").loc["individual"]
    pd.testing.assert_series_equal(line, verdict(found).set_index("method").loc["individual"])
    assert line["compared_images"] == 24


def test_without_an_order_of_two_datasets_the_verdict_has_all_its_columns():
    found = tables({"nr": (28, 27), "finetune": (24, 28)})
    matrix = found["matrix"]
    empty = {name: table.iloc[:0] for name, table in found.items() if name != "matrix"}
    without = verdict(empty | {"matrix": matrix[~matrix["order"].str.contains(">")]})
    assert without.empty
    assert list(without) == list(verdict(found))
