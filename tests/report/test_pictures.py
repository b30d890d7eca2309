import base64
import io

import numpy as np
import pagecontent
import pytest
from derain.report.pictures import Card, Output, Picture, cards, encoded
from pagecontent import Pairs
from PIL import Image


def _noise(seed, side=64):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def _card(name, *seeds, side=64):
    return Card("d", name, "worst", [Picture(str(seed), lambda seed=seed: _noise(seed, side)) for seed in seeds])


def _size(picture):
    return Image.open(io.BytesIO(base64.b64decode(picture.data_uri.split(",")[1]))).size


def test_each_image_is_rainy_restored_by_every_method_in_every_order_and_clean(tmp_path):
    found = pagecontent.pictures(tmp_path)
    by_image = {(card.dataset, card.image): card for card in found}
    assert list(by_image) == [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("b", "2"), ("b", "3"), ("real", "1")]
    assert [card.rank for card in found] == [f"{rank} rainy input" for rank in ("worst", "median", "best")] * 2 + [
        "real rain"
    ]
    captions = [(picture.caption, picture.order) for picture in by_image["a", "1"].pictures]
    finals = [(method, order) for method in pagecontent.METHODS for order in ("a>b", "b>a")]
    assert captions == [("rainy", None), *finals, ("clean", None)]
    assert by_image["a", "1"].pictures[0].psnr_y_db == 20
    assert by_image["a", "1"].pictures[1].psnr_y_db == 25.126


def test_the_median_image_is_followed_through_the_stages(tmp_path):
    found = pagecontent.pictures(tmp_path)
    for card in found:
        along = [(method, order, [p.caption for p in stages]) for method, order, stages in card.stages]
        expected = [
            (method, order, [f"after {name}" for name in order.split(">")])
            for method in pagecontent.METHODS
            for order in ("a>b", "b>a")
        ]
        assert along == (expected if card.rank in ("median rainy input", "real rain") else [])


def test_real_rain_has_neither_clean_image_nor_score(tmp_path):
    real = pagecontent.pictures(tmp_path)[-1]
    assert not real.supervised
    assert all(picture.psnr_y_db is None for picture in real.pictures)
    assert "clean" not in [picture.caption for picture in real.pictures]


def test_what_a_stage_has_no_preview_of_is_passed_over(tmp_path):
    np.savez(tmp_path / "0.npz", **{"a/0": _noise(0)})
    outputs = [Output("nr", ("net", "nr"), "a>b", "b", True, {"a/0": tmp_path / "0.npz"})]
    pairs = {"a": Pairs(["x", "y"], [(_noise(1), _noise(2))] * 2)}
    found = list(cards(pairs, {("a", "x"): 1.0, ("a", "y"): 2.0}, outputs, 2))
    assert [[p.caption for p in card.pictures] for card in found] == [["rainy", "nr", "clean"], ["rainy", "clean"]]


def test_pictures_are_what_was_kept_but_for_the_compression(tmp_path):
    smooth = np.dstack([np.linspace(0, 255, 64).astype(np.uint8)[None].repeat(64, 0)] * 3)
    ((card,), left_out) = encoded([Card("d", "x", "", [Picture("p", lambda: smooth)])])
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(card.pictures[0].data_uri.split(",")[1]))))
    assert np.abs(shown.astype(int) - smooth).mean() < 3
    assert left_out == 0


def test_equal_pictures_have_one_text():
    ((first, second), _) = encoded([_card("x", 0, 1), _card("y", 0, 2)])
    assert first.pictures[0].data_uri == second.pictures[0].data_uri
    assert len({p.data_uri for card in (first, second) for p in card.pictures}) == 3


@pytest.mark.parametrize("count", [1, 4, 8])
def test_pictures_keep_to_their_budget_by_smaller_crops_and_by_leaving_out_at_last(count):
    many = [_card(str(n), 10 * n, 10 * n + 1, side=200) for n in range(count)]
    ((large, *_), _) = encoded(many)
    assert _size(large.pictures[0]) == (200, 200)
    budget = sum(len(p.data_uri) for card in encoded([_card("0", 0, 1, side=96)])[0] for p in card.pictures) * 2
    kept, left_out = encoded(many, budget)
    assert sum(len(p.data_uri) for card in kept for p in card.pictures) <= budget
    assert len(kept) + left_out == count
    assert kept
    assert _size(kept[0].pictures[0])[0] < 200
    assert encoded(many, 100) == ([], count)
