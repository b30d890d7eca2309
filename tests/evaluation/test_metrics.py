import math
from typing import get_args

import numpy as np
import pytest
import torch
from derain.config.evaluation import Evaluation
from derain.evaluation.metrics import FULL_SIZE, WANG2009, luma, psnr, score, ssim
from pytorch_msssim import ssim as msssim_ssim
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio

pytestmark = pytest.mark.numerical


def _images(height=48, width=64, seed=0):
    rng = np.random.default_rng(seed)
    smooth = np.kron(rng.integers(40, 180, (height // 8 + 1, width // 8 + 1, 3)), np.ones((8, 8, 1)))[:height, :width]
    clean = smooth.astype(np.uint8)
    noisy = np.clip(smooth + rng.normal(0, 15, smooth.shape), 0, 255).round().astype(np.uint8)
    return noisy, clean


def test_luma_of_black_white_and_the_primaries_are_the_bt601_constants():
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    np.testing.assert_allclose(luma(colours)[0], [16, 235, 81.481, 144.553, 40.966], rtol=0, atol=1e-12)


def test_luma_is_that_of_scikit_image_without_rounding():
    image, _ = _images()
    np.testing.assert_allclose(luma(image), rgb2ycbcr(image)[..., 0], rtol=1e-12)
    assert np.abs(luma(image) - luma(image).round()).max() > 0.4


@pytest.mark.parametrize("levels", [1, 3, 20])
def test_a_grey_error_of_k_levels_reads_20_log10_255_over_219_higher_on_y_than_on_rgb(levels):
    clean = np.random.default_rng(0).integers(0, 200, (32, 32, 3)).astype(np.uint8)
    scores = score(clean + np.uint8(levels), clean)
    assert scores["psnr_rgb_db"] == pytest.approx(20 * math.log10(255 / levels), abs=1e-9)
    assert scores["psnr_y_db"] - scores["psnr_rgb_db"] == pytest.approx(20 * math.log10(255 / 219), abs=1e-9)


def test_psnr_on_rgb_pools_the_error_over_the_channels():
    clean = np.full((16, 16, 3), 100, np.uint8)
    red = clean + np.array([6, 0, 0], np.uint8)
    assert score(red, clean)["psnr_rgb_db"] == pytest.approx(10 * math.log10(255**2 / (36 / 3)))


def test_psnr_is_that_of_scikit_image():
    noisy, clean = _images()
    assert score(noisy, clean)["psnr_rgb_db"] == pytest.approx(peak_signal_noise_ratio(clean, noisy), abs=1e-9)
    theirs = peak_signal_noise_ratio(rgb2ycbcr(clean)[..., 0], rgb2ycbcr(noisy)[..., 0], data_range=255)
    assert score(noisy, clean)["psnr_y_db"] == pytest.approx(theirs, abs=1e-9)


def test_differences_of_8_bit_images_do_not_wrap_around():
    dark, bright = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)
    assert score(dark, bright)["psnr_rgb_db"] == pytest.approx(0)
    assert score(bright, dark)["psnr_rgb_db"] == pytest.approx(0)


def test_equal_images_have_infinite_psnr_and_ssim_1():
    image, _ = _images()
    scores = score(image, image.copy())
    assert scores["psnr_y_db"] == scores["psnr_rgb_db"] == math.inf
    assert scores["ssim_y"] == pytest.approx(1, abs=1e-12)
    assert scores["ssim_rgb"] == pytest.approx(1, abs=1e-12)


def _theirs(a, b):
    tensors = [torch.from_numpy(np.array(x, dtype=np.float64))[None, None] for x in (a, b)]
    line = torch.exp(-(torch.arange(-5, 6, dtype=torch.float64) ** 2) / (2 * 1.5**2))  # its own is of float32
    return float(msssim_ssim(*tensors, data_range=255, win=(line / line.sum()).reshape(1, 1, 1, 11)))


def test_ssim_is_that_of_pytorch_msssim_where_no_image_is_shrunk():
    noisy, clean = _images()
    scores = score(noisy, clean)
    assert scores["ssim_y"] < 0.95
    assert scores["ssim_y"] == pytest.approx(_theirs(luma(noisy), luma(clean)), abs=1e-9)
    channels = [_theirs(noisy[..., c], clean[..., c]) for c in range(3)]
    assert scores["ssim_rgb"] == pytest.approx(np.mean(channels), abs=1e-9)


def _matlab_shrunk(image, factor):
    """imfilter(image, ones(f)/f², 'symmetric', 'same') at (1:f:end, 1:f:end), element by element as MATLAB counts."""
    height, width = image.shape
    centre = (factor + 1) // 2  # of the window, from 1

    def mirrored(index, size):  # from 1; 'symmetric' repeats the border element
        if index < 1:
            return 1 - index
        return 2 * size + 1 - index if index > size else index

    result = []
    for row in range(1, height + 1, factor):
        line = []
        for column in range(1, width + 1, factor):
            total = 0.0
            for u in range(1, factor + 1):
                for v in range(1, factor + 1):
                    y, x = mirrored(row + u - centre, height), mirrored(column + v - centre, width)
                    total += image[y - 1, x - 1]
            line.append(total / factor**2)
        result.append(line)
    return np.array(result)


@pytest.mark.parametrize(
    ("height", "width", "factor"),
    [(383, 390, 1), (384, 387, 2), (390, 385, 2), (641, 640, 3), (896, 900, 4)],
)
def test_ssim_of_large_images_is_taken_after_matlabs_shrinking_by_the_shorter_side_over_256_rounded_half_up(
    height, width, factor
):
    noisy, clean = (luma(image) for image in _images(height, width))
    shrunk = (noisy, clean) if factor == 1 else (_matlab_shrunk(noisy, factor), _matlab_shrunk(clean, factor))
    assert ssim(noisy, clean) == pytest.approx(_theirs(*shrunk), abs=1e-9)


@pytest.mark.parametrize(("height", "width"), [(48, 64), (384, 387), (512, 512)])
def test_full_size_ssim_is_that_of_images_as_they_are_by_two_other_implementations(height, width):
    noisy, clean = _images(height, width)
    scores = score(noisy, clean, "full_size")
    assert scores["ssim_y"] == pytest.approx(_theirs(luma(noisy), luma(clean)), abs=1e-9)
    channels = [_theirs(noisy[..., c], clean[..., c]) for c in range(3)]
    assert scores["ssim_rgb"] == pytest.approx(np.mean(channels), abs=1e-9)
    assert scores["ssim_y"] == pytest.approx(_literal_ssim(luma(noisy), luma(clean)), abs=1e-9)
    shrunk = score(noisy, clean)
    assert (shrunk["ssim_y"] == scores["ssim_y"]) == (height < 384)
    assert {name: shrunk[name] for name in shrunk if name.startswith("psnr")} == {
        name: scores[name] for name in scores if name.startswith("psnr")
    }


def _literal_ssim(a, b):
    """Wang's ssim_index.m of 2003, literally: filter2 with the window of fspecial, 'valid', the mean of the map."""
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2

    def means(image):
        return (np.lib.stride_tricks.sliding_window_view(image, (11, 11)) * window).sum((-1, -2))

    mu_a, mu_b = means(a), means(b)
    var_a, var_b, both = means(a * a) - mu_a**2, means(b * b) - mu_b**2, means(a * b) - mu_a * mu_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return np.mean((2 * mu_a * mu_b + c1) * (2 * both + c2) / ((mu_a**2 + mu_b**2 + c1) * (var_a + var_b + c2)))


def test_the_config_knows_the_protocols_of_ssim():
    assert get_args(Evaluation.model_fields["ssim"].annotation) == (WANG2009, FULL_SIZE)
    assert Evaluation().ssim == WANG2009


def test_ssim_needs_a_whole_window():
    with pytest.raises(ValueError):
        ssim(np.zeros((10, 40)), np.zeros((10, 40)))


def test_psnr_peak_is_255():
    assert psnr(np.zeros(4), np.array([255.0, 255, 255, 255])) == pytest.approx(0)
