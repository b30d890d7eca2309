"""Writing of tables: missing numbers are empty fields, which readers take for missing numbers."""

import math

import numpy as np
from derain.evaluation.reading import read_table
from derain.files.rows import write_rows


def test_a_missing_number_is_an_empty_field_and_the_column_stays_a_number(tmp_path):
    file = tmp_path / "strength.csv"
    rows = [
        {"scale": 0.0, "bound": math.nan, "chosen": True, "method": "nan"},
        {"scale": 1 / 3, "bound": np.float64("nan"), "chosen": False, "method": "b"},
        {"scale": 1.0, "bound": None, "chosen": False, "method": "c"},
    ]
    write_rows(file, list(rows[0]), rows)
    written = file.read_text(encoding="utf-8")
    assert written == f"scale,bound,chosen,method\n0.0,,True,nan\n{1 / 3!r},,False,b\n1.0,,False,c\n"
    read = read_table(file)
    assert read["bound"].dtype == float
    assert read["bound"].isna().all()
    assert list(read["method"]) == ["nan", "b", "c"]


def test_floats_get_the_wanted_digits_and_other_values_stay(tmp_path):
    file = tmp_path / "scores.csv"
    write_rows(file, ["image", "images", "psnr_y_db"], [{"image": "1", "images": 3, "psnr_y_db": 30.12345678}], ".6f")
    assert file.read_text(encoding="utf-8") == "image,images,psnr_y_db\n1,3,30.123457\n"
