"""Tiles give the output of the whole image where the reach of the network is finite."""

import threading

import numpy as np
import pytest
import torch
from derain.config.networks import NAFNet, PReNet, Restormer
from derain.evaluation.restoring import clamped_output
from derain.evaluation.tiles import Field, field_of, restored, smallest_side, tiles_of
from derain.networks import build
from torch import nn

SIZES = [(60, 103), (65, 64), (150, 17), (1, 1), (97, 70)]


class Halved(nn.Module):
    """Down by 4, and up again."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 48, 3, 2, 1), nn.PixelShuffle(4))

    def forward(self, rainy):
        height, width = rainy.shape[2:]
        padded = nn.functional.pad(rainy, (0, -width % 4, 0, -height % 4))
        return rainy + self.down(padded)[..., :height, :width]


class Filtered(nn.Module):
    """What a filter makes of images, behind one convolution: networks of the user's own."""

    def __init__(self, filtered, size=3, **options):
        super().__init__()
        self.conv, self.filtered = nn.Conv2d(3, 3, size, padding="same", **options), filtered

    def forward(self, rainy):
        return rainy + self.filtered(self.conv(rainy), rainy)


def _padded(to, mode):
    """Pads sides to multiples of a number, halves them so often, and doubles them again."""

    def filtered(features, rainy):
        height, width = rainy.shape[2:]
        padded = nn.functional.pad(features, (0, -width % to, 0, -height % to), mode=mode)
        halved = nn.functional.avg_pool2d(padded, to)
        return nn.functional.interpolate(halved, scale_factor=to)[..., :height, :width]

    return filtered


def _doubled_from_corner_to_corner(features, rainy):
    halved = nn.functional.avg_pool2d(features, 2, ceil_mode=True)
    return nn.functional.interpolate(halved, rainy.shape[2:], mode="bilinear", align_corners=True)


def _blurred(mask, reach):
    return nn.functional.avg_pool2d(mask.float(), 2 * reach + 1, 1, reach, count_include_pad=False)


def _where(features, rainy):
    return features * torch.linspace(-1, 1, rainy.shape[3])


def _dilated(*dilations):
    return lambda features, _: sum(
        nn.functional.conv2d(features, torch.full((3, 3, 3, 3), 0.1), padding=each, dilation=each) for each in dilations
    )


class Pointwise(nn.Module):
    """Each pixel by itself."""

    def forward(self, rainy):
        return rainy * 0.5


def _image(height, width):
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3)).astype(np.uint8)


def _small(**options):
    return build("prenet", channels=4, blocks=2, **options)


@pytest.mark.parametrize(
    ("network", "field"),
    [
        # By hand: a 3×3 convolution reaches 1 pixel; a stage has conv0, the gates, two in each block, conv.
        (lambda: _small(stages=1), Field(1 + 1 + 2 * 2 + 1, 1)),
        (lambda: _small(stages=3), Field(3 * (1 + 1 + 2 * 2 + 1), 1)),
        (lambda: _small(stages=2, lstm=False), Field(2 * (1 + 2 * 2 + 1), 1)),
        (Halved, Field(4, 4)),  # a block of 4 pixels sees 3 pixels before it, and all 4 of it see them
        (Pointwise, Field(0, 1)),
        (lambda: build("nafnet", width=2), Field(None, 64)),
        (lambda: build("restormer", width=4, heads=(1, 1, 1, 1)), Field(None, 64)),
    ],
)
def test_the_field_is_measured(network, field):
    assert field_of(network()) == field


OWN = {
    # Dilations that single pixels of a strip show: in short ones, in long ones, in none.
    "parallel dilations": (lambda: Filtered(_dilated(12, 24, 36)), Field(37, 1)),
    "a large dilation": (lambda: Filtered(_dilated(200)), Field(201, 1)),
    "a dilation beyond what is measured": (lambda: Filtered(_dilated(600)), Field(None, 64)),
    # A comparison drops what is not a number; 15 pixels are within a margin of 16, 100 pixels not of 64.
    "a mask": (lambda: Filtered(lambda features, rainy: features + _blurred(rainy > 0.7, 15)), Field(1, 16)),
    "a wide mask": (lambda: Filtered(lambda features, rainy: features + _blurred(rainy > 0.7, 100)), Field(None, 64)),
    "the share of bright pixels": (
        lambda: Filtered(lambda features, rainy: features * (rainy > 0.7).float().mean()), Field(None, 64)),
    "what is not a number is replaced": (
        lambda: Filtered(lambda features, rainy: features - rainy.nan_to_num().mean()), Field(None, 64)),
    # Outputs that depend on the place in the image or on its size.
    "coordinates": (lambda: Filtered(_where), Field(None, 64)),
    "aligned corners": (lambda: Filtered(_doubled_from_corner_to_corner), Field(None, 64)),
    "circular padding": (lambda: Filtered(lambda features, _: features, padding_mode="circular"), Field(None, 64)),
    # By hand: the convolution sees a pixel beside a block, which all pixels of the block depend on.
    "six halvings": (lambda: Filtered(_padded(64, "replicate")), Field(64, 64)),
    "a coarser grid than is looked for": (lambda: Filtered(_padded(128, "replicate")), Field(None, 64)),
    "reflection to multiples of 16": (lambda: Filtered(_padded(16, "reflect")), Field(16, 16)),
    "reflection by 8": (lambda: Filtered(lambda features, _: features, 17, padding_mode="reflect"), Field(8, 1)),
    "images of up to 300 pixels": (lambda: Filtered(lambda features, _: features.view(3, -1)[:, :6000].view(
        features.shape)), Field(None, 64)),
    "what cannot be copied": (lambda: Filtered(Lock()), Field(None, 64)),
}  # fmt: skip


class Lock:
    """Does nothing, under a lock."""

    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self, features, rainy):
        with self.lock:
            return features


@pytest.mark.parametrize("network", OWN)
def test_the_field_of_a_network_of_the_users_own_is_confirmed(network):
    torch.manual_seed(1)
    made, field = OWN[network]
    made = made().eval()
    assert field_of(made) == field
    if field.reach is not None:
        side = smallest_side(field) + 64
        rainy = _image(side // 2, 3 * side)
        whole = clamped_output(made, rainy)
        np.testing.assert_allclose(restored(made, rainy, side, field, "none") / 255, whole, rtol=0, atol=1e-6)
        assert len(list(tiles_of(*rainy.shape[:2], side, field))) > 1


def test_factors_that_are_0_at_the_start_hide_no_grid():
    halved = Halved()
    nn.init.zeros_(halved.down[2].weight)
    nn.init.zeros_(halved.down[2].bias)
    assert field_of(halved) == Field(4, 4)
    assert not halved.down[2].weight.any()


def test_the_published_prenet_reaches_78_pixels():
    """Of issue and paper: T = 6 stages of 13 convolutions, 13 = 1 + 1 + 2 · 5 + 1."""
    assert field_of(build("prenet", channels=2)) == Field(78, 1)


@pytest.mark.parametrize("network", [lambda: _small(stages=2), Halved])
@pytest.mark.parametrize("size", SIZES)
def test_tiles_of_a_finite_reach_are_the_whole(network, size):
    network = network().eval()
    field, rainy = field_of(network), _image(*size)
    whole = clamped_output(network, rainy)
    side = smallest_side(field) + 2 * field.grid
    tiled = restored(network, rainy, side, field, "none") / 255
    # Convolutions of other sizes may sum in another sequence: a few roundings of values up to 1.
    assert np.abs(tiled - whole).max() <= 64 * np.finfo(np.float32).eps
    assert np.prod(size) <= side**2 or len(list(tiles_of(*size, side, field))) > 1


def test_a_margin_that_is_too_small_shows():
    """The test above can fail."""
    network = _small(stages=2).eval()
    rainy = _image(100, 90)
    less = Field(1, 1)
    tiled = restored(network, rainy, smallest_side(less) + 8, less, "none") / 255
    assert np.abs(tiled - clamped_output(network, rainy)).max() > 1e-3


@pytest.mark.parametrize("size", [(100, 203), (64, 64), (200, 70)])
def test_tiles_are_blended_where_the_reach_is_not_finite(size):
    network = build("nafnet", width=2).eval()
    field, rainy = field_of(network), _image(*size)
    tiled = restored(network, rainy, smallest_side(field), field)
    assert tiled.shape == rainy.shape
    assert tiled.dtype == np.uint8
    identity = Pointwise()
    identity.weight = nn.Parameter(torch.ones(1))
    blended = restored(identity, rainy, smallest_side(field), field, "none")
    np.testing.assert_allclose(blended, clamped_output(identity, rainy) * 255.0, rtol=1e-6)  # weights sum to 1


@pytest.mark.parametrize("field", [Field(5, 1), Field(6, 4), Field(None, 64)])
@pytest.mark.parametrize("size", SIZES)
def test_tiles_cover_each_pixel_and_see_what_they_need(field, size):
    side = smallest_side(field) + field.grid
    covered, sizes = np.zeros(size, int), set()
    for inside, seen in tiles_of(*size, side, field):
        covered[inside] += 1
        for part, look, length in zip(inside, seen, size, strict=True):
            assert look.stop - look.start <= side or np.prod(size) <= side**2
            if field.reach is not None:
                assert look.start <= max(part.start - field.reach, 0)
                assert look.stop >= min(part.stop + field.reach, length)
            assert look.start % field.grid == 0
        sizes.add(tuple(-(-(look.stop - look.start) // field.grid) for look in seen))
    assert covered.min() == 1 if field.reach is not None else covered.min() >= 1
    assert field.reach is None or covered.max() == 1
    assert len(sizes) == 1  # each tile can use the memory of the one before


def test_a_side_without_room_is_refused():
    with pytest.raises(ValueError, match="the smallest have 21"):
        list(tiles_of(100, 100, 20, Field(10, 1)))


@pytest.mark.parametrize(
    "section", [PReNet(backbone="prenet"), NAFNet(backbone="nafnet"), Restormer(backbone="restormer")]
)
def test_the_config_knows_which_backbones_have_a_finite_reach(section):
    network = build(**section.architecture())
    assert (field_of(network).reach is not None) == section.FINITE_REACH
