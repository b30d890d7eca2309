import numpy as np
import pytest
from derain.evaluation.restoring import restore
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
    restored = restore(Add(levels), image)
    assert restored.dtype == np.uint8
    np.testing.assert_array_equal(restored, expected)
