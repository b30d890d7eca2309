import numpy as np
import pytest
from derain.errors import UserError
from derain.evaluation.previews import SIDE, chosen, crop
from derain.evaluation.scores import RAINY_COLUMNS, psnr_of_rainy, write_scores

NAMES = ["NA", "1e5", "007", "a,b", '"', " x ", "ü"]
IMAGES = ["a", "b", "c", "d", "e"]
PSNR = {"a": 30.0, "b": 10.0, "c": 20.0, "d": 50.0, "e": 40.0}


@pytest.mark.parametrize(("count", "names"), [(0, ""), (1, "a"), (2, "bd"), (3, "bad"), (5, "bcaed"), (9, "bcaed")])
def test_images_are_chosen_from_the_worst_rainy_input_to_the_best(count, names):
    assert [IMAGES[n] for n in chosen(IMAGES, PSNR, count)] == list(names)


def test_equal_and_missing_scores_leave_the_order_of_the_list():
    assert chosen(IMAGES, {}, 3) == [0, 2, 4]
    assert chosen(IMAGES, dict.fromkeys(IMAGES, 20.0), 2) == [0, 4]
    assert chosen([], {}, 3) == []


def test_the_choice_does_not_hang_on_the_order_of_the_scores():
    assert chosen(IMAGES, dict(reversed(PSNR.items())), 3) == chosen(IMAGES, PSNR, 3)


def test_a_crop_is_the_centre_at_its_own_resolution():
    row, column = np.mgrid[0 : SIDE + 10, 0:7]
    image = np.stack([row, column, row], -1)
    np.testing.assert_array_equal(crop(image), image[5 : SIDE + 5])
    np.testing.assert_array_equal(crop(image, 3), image[(SIDE + 7) // 2 : (SIDE + 7) // 2 + 3, 2:5])


def test_scores_of_rainy_images_are_read_by_name(tmp_path):
    rows = [
        {"dataset": "d", "image": name, **dict.fromkeys(RAINY_COLUMNS[2:], 0.5 + n)} for n, name in enumerate(NAMES)
    ]
    write_scores(tmp_path / "rainy.csv", rows, RAINY_COLUMNS)
    assert psnr_of_rainy(tmp_path / "rainy.csv", NAMES[1:]) == {name: 0.5 + n for n, name in enumerate(NAMES)}
    write_scores(tmp_path / "rainy.csv", [], RAINY_COLUMNS)
    assert psnr_of_rainy(tmp_path / "rainy.csv", []) == {}


WHOLE = b"dataset,image,psnr_y_db\nd,a,20\nd,b,21\n"


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\0" * 500, b"dataset,ima", b"hello world\n", WHOLE[:24], WHOLE[:-5], WHOLE[:-9], WHOLE + b"d,c,\n",
     WHOLE.replace(b"20", b"much"), WHOLE.replace(b"psnr", b"rnsp"), WHOLE.replace(b"a", b"\xff")],
)  # fmt: skip
def test_a_damaged_table_of_rainy_images_is_refused_in_one_line(tmp_path, content):
    file = tmp_path / "rainy.csv"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"rainy\.csv: cannot be read as a table of rainy images \(.+\)$"):
        psnr_of_rainy(file, ["a", "b"])
    with pytest.raises(UserError):
        psnr_of_rainy(tmp_path / "missing.csv", ["a"])
