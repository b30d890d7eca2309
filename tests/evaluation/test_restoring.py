import math

import numpy as np
import pytest
from derain.errors import UserError
from derain.evaluation.restoring import clamped_output
from derain.evaluation.tiles import TILE, restored
from derain.evaluation.validation import validate
from torch import nn

pytestmark = pytest.mark.numerical


class Add(nn.Module):
    """f(O) = O + levels/255."""

    def __init__(self, levels):
        super().__init__()
        self.anchor = nn.Linear(1, 1)  # tells the device
        self.levels = levels

    def forward(self, rainy):
        return rainy + self.levels / 255


@pytest.mark.parametrize(("levels", "moved"), [(0, 0), (0.4, 0), (0.6, 1), (-0.6, -1), (300, 255), (-300, -255)])
def test_outputs_are_clamped_and_rounded_to_the_nearest_of_256_levels(levels, moved):
    image = np.arange(7 * 12 * 3).astype(np.uint8).reshape(7, 12, 3)
    expected = np.clip(image.astype(int) + moved, 0, 255)
    output = restored(Add(levels), image, TILE)
    assert output.dtype == np.uint8
    np.testing.assert_array_equal(output, expected)


@pytest.mark.parametrize("levels", [math.nan, math.inf, -math.inf])
def test_an_output_that_is_not_finite_is_an_error_that_names_theta_and_no_black_picture(levels):
    image = np.zeros((7, 12, 3), np.uint8)
    with pytest.raises(UserError, match=r"^stages/a/theta.safetensors: .*12×7 pixels is not finite"):
        clamped_output(Add(levels), image, theta="stages/a/theta.safetensors")
    with pytest.raises(UserError):
        restored(Add(levels), image, TILE)


def test_a_single_value_that_is_not_finite_is_enough():
    class One(Add):
        def forward(self, rainy):
            restored = rainy.clone()
            restored[0, 1, 2, 3] = math.nan
            return restored

    with pytest.raises(UserError):
        restored(One(0), np.zeros((12, 12, 3), np.uint8), TILE)


def test_validation_counts_an_exactly_restored_image_as_100_db():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 200, (12, 12, 3)).astype(np.uint8)
    pairs = [(image, image), (image, image + np.uint8(10)), (image, None)]
    assert validate(Add(0), pairs) == pytest.approx((100 + 20 * math.log10(255 / 10)) / 2)
