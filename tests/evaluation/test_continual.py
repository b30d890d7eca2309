import io
import math

import numpy as np
import pandas as pd
import pytest
from derain.evaluation.continual import (
    QUANTITIES,
    average,
    backward_transfer,
    continual_table,
    forgetting,
    forward_transfer,
    matrix_table,
    summary_table,
    tables_by_rounding,
)
from derain.evaluation.metrics import METRICS
from derain.evaluation.psnr import in_means
from derain.evaluation.reading import read_table
from derain.report.verdict import verdict
from derain.report.wording import sentences

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


def test_joint_has_the_stages_of_every_order_and_individual_networks_their_own(matrix):
    """Of two datasets, the joint networks of all prefixes are the first stage and that of the whole order."""
    joint = matrix[matrix["method"] == "joint"]
    assert set(zip(joint["order"], joint["stage"], strict=True)) == {
        (order, stage) for order in ("1400>NA", "NA>1400") for stage in (1, 2)
    }
    assert _row(matrix, method="joint", order="NA>1400", stage=2, dataset="1400")["psnr_y_db"] == 30
    assert _row(matrix, method="joint", order="NA>1400", stage=1, dataset="1400")["psnr_y_db"] == 19
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


def test_joint_of_two_datasets_has_an_average_and_keeps_what_its_prefixes_knew(matrix):
    row = _row(continual_table(matrix), method="joint", order="1400>NA", metric="psnr_y_db")
    assert row["average"] == pytest.approx((30 + 34) / 2)
    assert row["forgetting"] == pytest.approx(31 - 30)
    assert row["bwt"] == pytest.approx(30 - 31)
    assert row["fwt"] == pytest.approx(21 - 19)


@pytest.mark.parametrize("order", ["abc", "abcd"])
def test_joint_after_a_given_network_has_all_metrics_with_one_dataset_more_and_its_average_with_two(order):
    """Without `joint.prefixes`: the joint network of the whole order."""
    whole = ">".join(order)
    stages = {("first", "a>b"): [30, 31, 10, 11], ("joint", whole): [29, 28, 32, 35]}
    scores = [
        {"network": "net", "seed": 0, "method": method, "datasets": path, "dataset": dataset, "image": "1"}
        | dict.fromkeys(METRICS, float(value))
        for (method, path), values in stages.items()
        for dataset, value in zip(order, values, strict=False)
    ]
    rainy = [{"dataset": dataset, "image": "1"} | dict.fromkeys(METRICS, 15.0) for dataset in order]
    matrix = matrix_table(pd.DataFrame(scores), pd.DataFrame(rainy), [], [order], {"net": 2})
    row = _row(continual_table(matrix, at_once={"net": 2}), method="joint", metric="psnr_y_db")
    joint = matrix[matrix["method"] == "joint"]
    if order == "abc":
        assert set(joint["stage"]) == {2, 3}
        assert row["average"] == pytest.approx((29 + 28 + 32) / 3)
        assert row["bwt"] == -row["forgetting"] == pytest.approx(((29 - 30) + (28 - 31)) / 2)
        assert (row["fwt"], row["new_task_gain"], row["intransigence_joint"]) == (10 - 15, 32 - 15, 0)
    else:
        assert set(joint["stage"]) == {4}
        assert row["average"] == (29 + 28 + 32 + 35) / 4
        assert row[[*QUANTITIES[1:]]].isna().all()


def _three(joint_prefixes):
    """One order a, b, c of one method nr: R above, with individual networks and joint ones."""
    stages = {
        ("first", "a"): R[0],
        ("first", "b"): [20.0, 35, 13],
        ("first", "c"): [21.0, 22, 38],
        ("nr", "a>b"): R[1],
        ("nr", "a>b>c"): R[2],
        ("joint", "a>b>c"): [29.0, 32, 37],
    }
    if joint_prefixes:
        stages["joint", "a>b"] = [29.5, 34, 15]
    scores = [
        {"network": "net", "seed": 0, "method": method, "datasets": path, "dataset": dataset, "image": "1"}
        | dict.fromkeys(METRICS, float(value))
        for (method, path), values in stages.items()
        for dataset, value in zip("abc", values, strict=True)
    ]
    rainy = [{"dataset": d, "image": "1"} | dict.fromkeys(METRICS, v) for d, v in zip("abc", RAINY, strict=True)]
    matrix = matrix_table(pd.DataFrame(scores), pd.DataFrame(rainy), ["nr"], [["a", "b", "c"]])
    return matrix, continual_table(matrix)


def test_joint_of_the_whole_order_has_an_average_and_no_forgetting():
    matrix, table = _three(joint_prefixes=False)
    assert set(matrix[matrix["method"] == "joint"]["stage"]) == {3}
    row = _row(table, method="joint", metric="psnr_y_db")
    assert row["average"] == pytest.approx((29 + 32 + 37) / 3)
    assert all(
        math.isnan(row[name])
        for name in ("forgetting", "bwt", "fwt", "intransigence_individual", "intransigence_joint")
    )


def test_joint_of_every_prefix_has_all_metrics_and_no_intransigence_against_itself():
    matrix, table = _three(joint_prefixes=True)
    assert set(matrix[matrix["method"] == "joint"]["stage"]) == {1, 2, 3}
    row = _row(table, method="joint", metric="ssim_y")
    assert row["average"] == pytest.approx((29 + 32 + 37) / 3)
    assert row["forgetting"] == pytest.approx(((30 - 29) + (34 - 32)) / 2)
    assert row["bwt"] == pytest.approx(((29 - 30) + (32 - 34)) / 2)
    assert row["fwt"] == pytest.approx(((21 - 20) + (15 - 12)) / 2)
    assert row["intransigence_individual"] == pytest.approx(((30 - 30) + (35 - 34) + (38 - 37)) / 3)
    assert row["intransigence_joint"] == pytest.approx(0)


def test_intransigence_is_the_mean_loss_against_networks_that_were_free_to_learn():
    for prefixes in (False, True):
        row = _row(_three(prefixes)[1], method="nr", metric="psnr_y_db")
        assert row["intransigence_individual"] == pytest.approx(((30 - 30) + (35 - 33) + (38 - 36)) / 3)
        # Against the joint network of the datasets up to each one, or else that of all.
        joint = [30, 34, 37] if prefixes else [29, 32, 37]
        assert row["intransigence_joint"] == pytest.approx(sum(np.subtract(joint, [30, 33, 36])) / 3)


def test_without_joint_networks_there_is_no_intransigence_against_them():
    scores, rainy = _scores()
    table = continual_table(matrix_table(scores[scores["method"] != "joint"], rainy, ["nr"], ORDERS))
    assert table["intransigence_joint"].isna().all()
    assert table["intransigence_individual"].notna().all()
    assert set(table["method"]) == {"nr"}


def test_a_gain_is_0_at_the_rainy_input_and_1_at_a_network_of_the_datasets_own(matrix):
    row = _row(matrix, method="nr", order="1400>NA", stage=2, dataset="1400")
    assert row["gain_psnr_y_db"] == pytest.approx((29 - 20) / (31 - 20))
    row = _row(matrix, method="nr", order="NA>1400", stage=2, dataset="NA")
    assert row["gain_psnr_y_db"] == pytest.approx((26 - 19) / (34 - 19))
    for dataset in ("1400", "NA"):
        alone = _row(matrix, method="individual", learned=dataset, dataset=dataset)
        assert all(alone[f"gain_{metric}"] == 1 for metric in METRICS)
    # What nobody is trained on alone has no unit.
    assert matrix[matrix["dataset"] == "real"][f"gain_{METRICS[0]}"].isna().all()


def test_continual_metrics_of_normalised_gains():
    """R and b in units of individual − rainy, dataset by dataset: a 10 dB, b 15 dB, c 26 dB."""
    row = _row(_three(joint_prefixes=False)[1], method="nr", metric="gain_psnr_y_db")
    assert row["average"] == pytest.approx((5 / 10 + 14 / 15 + 24 / 26) / 3)
    assert row["bwt"] == pytest.approx((-5 / 10 + 1 / 15) / 2)
    assert row["forgetting"] == pytest.approx((5 / 10 - 1 / 15) / 2)
    assert row["fwt"] == pytest.approx((1 / 15 + 2 / 26) / 2)
    assert row["intransigence_individual"] == pytest.approx((0 + 2 / 15 + 2 / 26) / 3)
    assert row["intransigence_joint"] == pytest.approx((-1 / 10 - 1 / 15 + 1 / 26) / 3)


# --- two seeds by two orders, in short


def _of_two_seeds():
    """A continual table of methods nr and joint: psnr_y_db alone, every quantity known."""
    values = {  # by order and seed: average, forgetting
        ("nr", "a>b", 0): (30.0, 2.0),
        ("nr", "a>b", 1): (32.0, 3.0),
        ("nr", "b>a", 0): (27.0, 1.0),
        ("nr", "b>a", 1): (33.0, 6.0),
        ("joint", "a>b", 0): (35.0, math.nan),
        ("joint", "a>b", 1): (36.0, math.nan),
        ("joint", "b>a", 0): (35.0, math.nan),
        ("joint", "b>a", 1): (37.0, math.nan),
    }
    rows = [
        {"network": "net", "seed": seed, "method": method, "order": order, "metric": "psnr_y_db"}
        | dict.fromkeys(QUANTITIES, math.nan)
        | {"average": average, "forgetting": forgotten, "bwt": -forgotten}
        for (method, order, seed), (average, forgotten) in values.items()
    ]
    return pd.DataFrame(rows)


def test_the_summary_has_mean_spread_over_seeds_and_the_worst_order():
    table = summary_table(_of_two_seeds())
    average = _row(table, method="nr", quantity="average")
    # Means over orders: seed 0 (30 + 27)/2, seed 1 (32 + 33)/2.
    assert average["mean"] == pytest.approx((28.5 + 32.5) / 2)
    assert average["std"] == pytest.approx(math.sqrt((2**2 + 2**2) / 1))
    # Means over seeds: a>b 31, b>a 30.
    assert (average["worst_order"], average["worst"]) == ("b>a", 30)
    forgotten = _row(table, method="nr", quantity="forgetting")
    assert forgotten["mean"] == pytest.approx((1.5 + 4.5) / 2)
    assert forgotten["std"] == pytest.approx(math.sqrt(1.5**2 + 1.5**2))
    assert (forgotten["worst_order"], forgotten["worst"]) == ("b>a", 3.5)  # the most
    back = _row(table, method="nr", quantity="bwt")
    assert (back["worst_order"], back["worst"]) == ("b>a", -3.5)  # the least
    joint = _row(table, method="joint", quantity="average")
    assert (joint["mean"], joint["worst"], joint["worst_order"]) == (35.75, 35.5, "a>b")
    assert joint["std"] == pytest.approx(math.sqrt(2 * 0.75**2))  # seed 0: 35, seed 1: 36.5
    assert set(table[table["method"] == "joint"]["quantity"]) == {"average"}  # what it lacks has no row


def test_one_seed_has_no_spread():
    continual = _of_two_seeds()
    table = summary_table(continual[continual["seed"] == 0])
    assert table["std"].isna().all()
    assert _row(table, method="nr", quantity="average")["mean"] == 28.5
    assert _row(table, method="nr", quantity="average")["worst"] == 27


def test_the_summary_keeps_networks_and_metrics_apart():
    one = _of_two_seeds()
    other = one.assign(network="wide", average=one["average"] + 1)
    table = summary_table(pd.concat([one, other, one.assign(metric="ssim_y", average=0.5)]))
    assert _row(table, network="net", method="nr", metric="psnr_y_db", quantity="average")["mean"] == 30.5
    assert _row(table, network="wide", method="nr", metric="psnr_y_db", quantity="average")["mean"] == 31.5
    assert _row(table, method="nr", metric="ssim_y", quantity="average")["mean"] == 0.5


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


# --- images that are restored exactly


def _with_exact(scores, images):
    """All metrics as for an output that equals the clean image, of the image "0" or of all of the dataset 1400."""
    exact = scores.copy()
    chosen = (exact["dataset"] == "1400") & exact["image"].isin(images) & (exact["method"] != "first")
    exact.loc[chosen, list(METRICS)] = [math.inf if name.startswith("psnr") else 1.0 for name in METRICS]
    assert chosen.any()
    return exact


def test_an_exactly_restored_image_counts_100_db_in_the_mean_of_its_dataset():
    scores, rainy = _scores()
    row = {"method": "nr", "order": "1400>NA", "stage": 2, "dataset": "1400"}
    matrix = matrix_table(_with_exact(scores, ["0"]), rainy, ["nr"], ORDERS)
    found = _row(matrix, **row)
    assert found["psnr_y_db"] == found["psnr_rgb_db"] == (100 + 30) / 2
    assert found["ssim_y"] == (1 + 30) / 2
    assert found["gain_psnr_y_db"] == pytest.approx(((100 + 30) / 2 - 20) / (31 - 20))
    others = matrix_table(scores, rainy, ["nr"], ORDERS)
    untouched = matrix["dataset"] != "1400"
    pd.testing.assert_frame_equal(matrix[untouched], others[untouched])


@pytest.mark.parametrize("images", [["0"], ["0", "1"]])
def test_exactly_restored_images_leave_no_number_infinite_and_none_empty(images):
    scores, rainy = _scores()
    sound = tables_by_rounding(scores.assign(rounding="nearest"), rainy, ["nearest"], ["nr"], ORDERS, {})
    exact = _with_exact(scores, images).assign(rounding="nearest")
    tables = tables_by_rounding(exact, rainy, ["nearest"], ["nr"], ORDERS, {})
    for name, table in tables.items():
        numbers = table.select_dtypes("number")
        assert not np.isinf(numbers.to_numpy(dtype=float, na_value=np.nan)).any(), name
        pd.testing.assert_frame_equal(numbers.isna(), sound[name].select_dtypes("number").isna())
    judged = verdict(tables)
    methods = judged[judged["method"] != "individual"]
    assert np.isfinite(methods[["average", "forgetting", "new_task_gain", "worst"]].to_numpy(dtype=float)).all()
    said = " ".join(sentences(judged))
    assert "inf" not in said
    assert "nan" not in said


def test_an_exact_image_that_is_forgotten_again_is_a_finite_loss():
    scores, rainy = _scores()
    first = (scores["method"] == "first") & (scores["datasets"] == "1400") & (scores["dataset"] == "1400")
    scores.loc[first, ["psnr_y_db", "psnr_rgb_db"]] = math.inf
    table = continual_table(matrix_table(scores, rainy, ["nr"], ORDERS))
    row = _row(table, method="nr", order="1400>NA", metric="psnr_y_db")
    assert row["forgetting"] == 100 - 29
    assert row["bwt"] == 29 - 100


def test_errors_of_the_last_bits_count_no_more_than_none():
    """Not rounded, an exact output differs from the clean image by 1e-5 levels: 150 dB, or infinitely many."""
    assert in_means(math.inf) == in_means(150.0) == in_means(100.0) == 100
    assert in_means(99.99) == 99.99
    assert math.isnan(in_means(math.nan))


def test_where_the_network_of_its_own_gains_nothing_the_gain_is_empty():
    scores, rainy = _scores()
    alone = (scores["method"] == "first") & (scores["datasets"] == "NA") & (scores["dataset"] == "NA")
    scores.loc[alone, list(METRICS)] = rainy.loc[rainy["dataset"] == "NA", list(METRICS)].to_numpy()
    matrix = matrix_table(scores, rainy, ["nr"], ORDERS)
    assert matrix.loc[matrix["dataset"] == "NA", "gain_psnr_y_db"].isna().all()
    assert matrix.loc[matrix["dataset"] == "1400", "gain_psnr_y_db"].notna().all()


# --- orders of other datasets


def _continual(averages):
    """A continual table of method nr from its average in each order, of every metric."""
    rows = [
        {"network": "net", "seed": seed, "method": "nr", "order": order, "metric": metric}
        | dict.fromkeys(QUANTITIES, value)
        | {"old_data_bytes": 8 * order.count(">")}
        for order, values in averages.items()
        for seed, value in enumerate(values)
        for metric in METRICS
    ]
    return pd.DataFrame(rows).astype({"old_data_bytes": "Int64"})


NO_ROWS = pd.DataFrame(columns=["network", "seed", "method", "datasets", "dataset", "image", *METRICS])
UNLIKE = {"a>b>c>d": [20.0, 22], "d>c>b>a": [24.0, 26], "a>b>c": [30.0, 32], "b>c>d": [10.0, 12]}


def test_orders_of_other_datasets_are_not_averaged():
    table = summary_table(_continual(UNLIKE))
    found = table[(table["metric"] == "psnr_y_db") & (table["quantity"] == "average")].set_index("datasets")
    assert found["mean"].to_dict() == {"a>b>c>d": 23, "a>b>c": 31, "b>c>d": 11}
    assert found["worst"].to_dict() == {"a>b>c>d": 21, "a>b>c": 31, "b>c>d": 11}
    assert found["worst_order"].to_dict() == {order: order for order in found.index}
    assert found.loc["a>b>c>d", "std"] == pytest.approx(math.sqrt(2))


def test_orders_of_the_same_datasets_are_and_the_table_has_no_more_columns():
    table = summary_table(_continual({"a>b>c": [20.0], "c>a>b": [30.0]}))
    assert list(table) == ["network", "method", "metric", "quantity", "mean", "std", "worst_order", "worst"]
    assert set(table["mean"]) == {25}


def test_the_verdict_compares_methods_over_the_same_datasets():
    averages = _continual(UNLIKE)
    other = averages.assign(method="finetune")
    longer = other["order"].str.count(">") == 3
    numbers = list(QUANTITIES)
    other.loc[longer, numbers] += 1
    other.loc[~longer, numbers] -= 1
    table = pd.concat([averages, other])
    judged = verdict(
        {"continual": table, "summary": summary_table(table), "matrix": matrix_table(NO_ROWS, NO_ROWS, [], [])}
    )
    judged = judged.set_index(["datasets", "method"])
    assert judged["average"].to_dict() == {
        ("a>b>c>d", "nr"): 23, ("a>b>c>d", "finetune"): 24, ("a>b>c", "nr"): 31, ("a>b>c", "finetune"): 30,
        ("b>c>d", "nr"): 11, ("b>c>d", "finetune"): 10,
    }  # fmt: skip
    assert set(judged[judged["best_average"]].index) == {("a>b>c>d", "finetune"), ("a>b>c", "nr"), ("b>c>d", "nr")}
    assert judged["old_data_bytes"].to_dict()["a>b>c", "nr"] == 16
    said = sentences(judged.reset_index())
    assert [text.partition(" has ")[0] for text in said] == [
        "Over a, b, c, d: finetune", "Over a, b, c: nr", "Over b, c, d: nr"
    ]  # fmt: skip
    lead = (
        "finetune has the highest average of the two methods, 24.00 ± 1.41 dB; how much of its lead of 1.00 dB over nr"
    )
    assert lead in said[0]
