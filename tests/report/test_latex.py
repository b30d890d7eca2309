import re

import pagecontent
from derain.report import latex
from derain.report.verdict import verdict

NAMES = {"a": "rain_100%", "b": "b&c"}


def _cells(text):
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0]
    return [[cell.strip() for cell in line.rstrip("\\ ").split(" & ")] for line in body.strip().splitlines()]


def test_the_verdict_is_a_booktabs_table_of_its_numbers_with_the_best_in_bold():
    tables = pagecontent.tables(**NAMES)
    judged = verdict(tables)
    text = latex.verdict(judged)
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\bottomrule")
    rows = {cells[0]: cells[1:] for cells in _cells(text)}
    assert set(rows) == {"finetune", "nr", "joint", "individual"}
    for line in judged.to_dict("records"):
        average = rf"{line['average']:.2f} $\pm$ {line['average_std']:.2f}"
        assert rows[line["method"]][0] == (rf"\textbf{{{average}}}" if line["best_average"] else average)
    assert rows["nr"][-1] == "1024"
    assert rows["joint"][-1] == "all"
    assert sum("textbf" in cells[0] for cells in rows.values()) == 1
    assert "textbf" not in "".join(rows["joint"])


def test_names_are_escaped_and_nothing_outside_plain_latex_is_left():
    tables = pagecontent.tables(**NAMES)
    for text in (latex.orders(tables["continual"]), latex.matrix(tables["matrix"])):
        assert r"rain\_100\%" in text
        assert r"b\&c" in text
        assert r"$\to$" in text
        assert text.isascii()


def test_the_matrix_holds_every_score_rounded():
    tables = pagecontent.tables(seeds=(0,))
    runs = tables["matrix"][tables["matrix"]["order"].str.contains(">")]
    text = latex.matrix(tables["matrix"])
    assert sorted(re.findall(r"\d\d\.\d\d", text)) == sorted(f"{value:.2f}" for value in runs["psnr_y_db"])
