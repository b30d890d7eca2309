import io
import math
from pathlib import Path

import pandas as pd
import pytest
from derain.evaluation.correlations import correlations, of_stages
from derain.evaluation.gathered import gather
from derain.evaluation.reading import TEXTS, read_table


def _theory(**by_method):
    """Rows of theory.csv from (change, first_order, bound)."""
    return pd.DataFrame(
        [
            {"method": method, "dataset": "a", "change": change, "first_order": first_order, "bound": bound}
            for method, rows in by_method.items()
            for change, first_order, bound in rows
        ]
    )


def _row(table, method, predictor):
    (row,) = table[(table["method"] == method) & (table["predictor"] == predictor)].to_dict("records")
    return row


def test_correlations_are_of_magnitudes_by_method_and_over_all():
    theory = _theory(nr=[(1, -2, 3), (-2, 4, 4), (3, 6, 8)], finetune=[(10, 1, 40), (-20, 8, 50), (30, -3, 90)])
    table = correlations(theory)
    assert list(zip(table["method"], table["predictor"], strict=True)) == [
        (method, predictor) for method in ("all", "nr", "finetune") for predictor in ("first_order", "bound")
    ]
    exact = _row(table, "nr", "first_order")  # |first_order| = 2 |change|
    assert exact["pearson"] == pytest.approx(1)
    assert exact["spearman"] == pytest.approx(1)
    assert exact["ratio"] == 2
    assert exact["n"] == 3

    # |change| 10, 20, 30; |first_order| 1, 8, 3: deviations −10, 0, 10 and −3, 4, −1
    other = _row(table, "finetune", "first_order")
    assert other["pearson"] == pytest.approx((30 - 10) / math.sqrt(200 * (9 + 16 + 1)))
    assert other["spearman"] == pytest.approx(1 - 6 * (0 + 1 + 1) / (3 * 8))
    assert other["ratio"] == pytest.approx(0.1)
    bound = _row(table, "finetune", "bound")  # ratios 4, 2.5 and 3
    assert bound["ratio"] == 3
    assert bound["spearman"] == pytest.approx(1)
    assert _row(table, "all", "bound")["n"] == 6
    assert _row(table, "all", "first_order")["ratio"] == pytest.approx((0.4 + 2) / 2)  # of 2, 2, 2, 0.1, 0.4, 0.1


def test_two_points_have_a_ratio_and_no_correlation():
    table = correlations(_theory(nr=[(1, 2, 3), (2, 3, 5)]))
    assert table["pearson"].isna().all()
    assert table["spearman"].isna().all()
    assert _row(table, "nr", "bound")["ratio"] == pytest.approx(2.75)


def test_correlations_survive_a_method_called_all_numbers_or_missing(tmp_path):
    table = correlations(_theory(**{"1400": [(1, 2, 3)] * 3, "NA": [(2, 2, 2)] * 3}))
    again = read_table(io.StringIO(table.to_csv(index=False)))
    assert list(again["method"]) == ["all", "all", "1400", "1400", "NA", "NA"]


def test_gathered_rows_stand_behind_their_stage(tmp_path):
    files = []
    for n in range(2):
        files.append(tmp_path / f"{n}.csv")
        files[-1].write_text(f"dataset,change\n{n},0.5\nNA,{n}\n", encoding="utf-8")
    places = [{"network": "net", "seed": n, "method": "nr", "datasets": ["NA", "1400", "b"][: n + 2]} for n in range(2)]
    sources = [(place, [str(file)]) for place, file in zip(places, files, strict=True)]
    table = gather(sources)
    assert list(table) == ["network", "seed", "method", "datasets", "dataset", "change"]
    assert list(table["dataset"]) == ["0", "NA", "1", "NA"]
    assert list(table["datasets"]) == ["NA>1400"] * 2 + ["NA>1400>b"] * 2
    assert list(table["seed"]) == [0, 0, 1, 1]
    assert list(table["change"]) == [0.5, 0, 0.5, 1]


def test_rows_of_several_files_of_a_stage_follow_each_other(tmp_path):
    files = [str(tmp_path / f"{n}.csv") for n in range(2)]
    for n, file in enumerate(files):
        Path(file).write_text(f"dataset,change\n{n},0.5\n", encoding="utf-8")
    stage = {"network": "net", "seed": 0, "method": "nr", "datasets": ["a", "b"]}
    assert list(gather([(stage, files)])["dataset"]) == ["0", "1"]


def test_the_correlations_of_stages_are_those_of_their_rows_together(tmp_path):
    theory = _theory(nr=[(1, -2, 3), (-2, 4, 4), (3, 6, 8)])
    sources = []
    for n, rows in theory.groupby(theory.index):
        file = tmp_path / f"{n}.csv"
        rows.drop(columns="method").to_csv(file, index=False)
        sources.append(({"network": "net", "seed": n, "method": "nr", "datasets": ["a", "b"]}, [str(file)]))
    pd.testing.assert_frame_equal(of_stages(sources), correlations(theory))


@pytest.mark.parametrize("column", TEXTS)
def test_names_that_look_like_numbers_or_gaps_stay_text(column):
    table = read_table(io.StringIO(f"{column},value\n1400,1\n007,2\nNA,3\n"))
    assert list(table[column]) == ["1400", "007", "NA"]
