import io
import math

import numpy as np
import pandas as pd
import pytest
from derain.continual import (
    average,
    backward_transfer,
    continual_table,
    forgetting,
    forward_transfer,
    matrix_table,
)
from derain.metrics import METRICS
from derain.tables import read_table

#            a   b   c      after
R = np.array(
    [
        [30, 21, 10],  # a
        [27, 33, 14],  # b
        [25, 34, 36],  # c
    ],
    dtype=np.float64,
)
RAINY = np.array([20, 20, 12], dtype=np.float64)


def test_average_is_the_mean_of_the_last_row():
    assert average(R) == pytest.approx((25 + 34 + 36) / 3)


def test_backward_transfer_is_the_mean_change_since_each_dataset_was_learned():
    assert backward_transfer(R) == pytest.approx(((25 - 30) + (34 - 33)) / 2)


def test_forgetting_is_the_mean_loss_since_the_best_score_of_an_earlier_stage():
    assert forgetting(R) == pytest.approx(((30 - 25) + (33 - 34)) / 2)


def test_forgetting_counts_the_best_score_even_from_before_the_dataset_was_learned():
    early = R.copy()
    early[0, 1] = 40
    assert forgetting(early) == pytest.approx(((30 - 25) + (40 - 34)) / 2)


def test_forward_transfer_is_the_mean_gain_over_the_rainy_input_just_before_a_dataset_is_learned():
    assert forward_transfer(R, RAINY) == pytest.approx(((21 - 20) + (14 - 12)) / 2)


def test_a_single_stage_has_an_average_and_nothing_to_forget_or_transfer():
    one = np.array([[30.0]])
    assert average(one) == 30
    assert all(math.isnan(x) for x in (backward_transfer(one), forgetting(one), forward_transfer(one, RAINY[:1])))


# --- tables of two trained datasets, one with a name of digits, one that reads like a missing value; and a real one

STAGES = {
    # method, datasets of the stage: PSNR of its two images on 1400, NA and real
    ("first", "1400"): ([30, 32], [20, 22], [15, 16]),
    ("first", "NA"): ([18, 20], [33, 35], [14, 15]),
    ("nr", "1400>NA"): ([28, 30], [32, 34], [17, 18]),
    ("nr", "NA>1400"): ([31, 33], [25, 27], [16, 17]),
    ("joint", "1400>NA"): ([29, 31], [33, 35], [19, 20]),
}
DATASETS = ("1400", "NA", "real")
ORDERS = [["1400", "NA"], ["NA", "1400"]]


def _scores():
    rows = [
        {"network": "net", "seed": 0, "method": method, "datasets": datasets, "dataset": dataset, "image": f"{n}"}
        | dict.fromkeys(METRICS, float(value))
        for (method, datasets), scores in STAGES.items()
        for dataset, values in zip(DATASETS, scores, strict=True)
        for n, value in enumerate(values)
    ]
    rainy = [
        {"dataset": dataset, "image": f"{n}"} | dict.fromkeys(METRICS, float(value))
        for dataset, values in zip(DATASETS, ([19, 21], [18, 20], [13, 15]), strict=True)
        for n, value in enumerate(values)
    ]
    return pd.DataFrame(rows), pd.DataFrame(rainy)


@pytest.fixture
def matrix():
    return matrix_table(*_scores(), ["nr"], ORDERS)


def _row(table, **where):
    found = table
    for column, value in where.items():
        found = found[found[column] == value]
    assert len(found) == 1
    return found.iloc[0]


def test_the_matrix_holds_the_mean_over_images_of_every_stage_on_every_dataset(matrix):
    expected = {
        ("1400>NA", 1): (31, 21, 15.5),
        ("1400>NA", 2): (29, 33, 17.5),
        ("NA>1400", 1): (19, 34, 14.5),
        ("NA>1400", 2): (32, 26, 16.5),
    }
    for (order, stage), scores in expected.items():
        for dataset, score in zip(DATASETS, scores, strict=True):
            row = _row(matrix, method="nr", order=order, stage=stage, dataset=dataset)
            assert row["psnr_y_db"] == score
            assert row["images"] == 2
            assert row["learned"] == order.split(">")[stage - 1]
    assert len(matrix[matrix["method"] == "nr"]) == 2 * 2 * 3


def test_a_row_tells_the_level_of_the_rainy_input(matrix):
    for dataset, rainy in zip(DATASETS, (20, 19, 14), strict=True):
        assert set(matrix[matrix["dataset"] == dataset]["rainy_psnr_y_db"]) == {rainy}


def test_joint_has_the_last_stage_of_every_order_and_individual_networks_their_own(matrix):
    joint = matrix[matrix["method"] == "joint"]
    assert set(zip(joint["order"], joint["stage"], strict=True)) == {("1400>NA", 2), ("NA>1400", 2)}
    assert _row(matrix, method="joint", order="NA>1400", dataset="1400")["psnr_y_db"] == 30
    individual = matrix[matrix["method"] == "individual"]
    assert _row(individual, learned="NA", dataset="NA")["psnr_y_db"] == 34
    assert _row(individual, learned="NA", dataset="1400")["psnr_y_db"] == 19


@pytest.mark.parametrize("metric", METRICS)
def test_the_metrics_of_an_order_leave_out_datasets_that_it_does_not_train_on(matrix, metric):
    table = continual_table(matrix)
    row = _row(table, method="nr", order="1400>NA", metric=metric)
    assert row["average"] == pytest.approx((29 + 33) / 2)
    assert row["bwt"] == pytest.approx(29 - 31)
    assert row["forgetting"] == pytest.approx(31 - 29)
    assert row["fwt"] == pytest.approx(21 - 19)
    back = _row(table, method="nr", order="NA>1400", metric=metric)
    assert back["average"] == pytest.approx((32 + 26) / 2)
    assert back["forgetting"] == pytest.approx(34 - 26)
    assert back["fwt"] == pytest.approx(19 - 20)


def test_joint_has_an_average_and_no_forgetting(matrix):
    row = _row(continual_table(matrix), method="joint", order="1400>NA", metric="psnr_y_db")
    assert row["average"] == pytest.approx((30 + 34) / 2)
    assert math.isnan(row["forgetting"])
    assert math.isnan(row["bwt"])
    assert math.isnan(row["fwt"])


def test_seeds_and_networks_are_kept_apart():
    scores, rainy = _scores()
    better = scores.assign(seed=1, **{metric: scores[metric] + 1 for metric in METRICS})
    table = continual_table(matrix_table(pd.concat([scores, better]), rainy, ["nr"], ORDERS))
    averages = [_row(table, method="nr", order="1400>NA", metric="ssim_y", seed=s)["average"] for s in (0, 1)]
    assert averages[1] - averages[0] == pytest.approx(1)


def test_orders_of_one_dataset_have_a_matrix_and_no_continual_metrics():
    scores, rainy = _scores()
    alone = scores[scores["datasets"] == "NA"]
    matrix = matrix_table(alone, rainy, ["nr"], [["NA"]])
    assert _row(matrix, method="nr", order="NA", dataset="NA")["psnr_y_db"] == 34
    table = continual_table(matrix)
    assert len(table) == 0
    assert list(table) == list(continual_table(matrix_table(scores, rainy, ["nr"], ORDERS)))


def test_tables_come_back_from_csv_with_names_that_look_like_numbers_or_missing_values(matrix):
    for table in (matrix, continual_table(matrix)):
        again = read_table(io.StringIO(table.to_csv(index=False)))
        pd.testing.assert_frame_equal(again, table, check_dtype=False)
        assert set(again["order"]) == set(table["order"])
    scores, rainy = (read_table(io.StringIO(table.to_csv(index=False))) for table in _scores())
    pd.testing.assert_frame_equal(matrix_table(scores, rainy, ["nr"], ORDERS), matrix, check_dtype=False)


def test_a_table_without_rows_does_not_turn_the_numbers_of_others_into_objects():
    _, rainy = _scores()
    empty = read_table(io.StringIO(rainy[:0].to_csv(index=False)))  # a dataset without clean images
    both = pd.concat([empty, rainy], ignore_index=True)
    assert all(both[metric].dtype == np.float64 for metric in METRICS)
