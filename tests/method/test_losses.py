import math

import pytest
import torch
from derain.method.losses import LOSSES
from precision import SHARP
from pytorch_msssim import ssim
from skimage.metrics import peak_signal_noise_ratio
from torch.nn.functional import conv2d

pytestmark = pytest.mark.numerical


def _pair(n=3, side=14, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, n, 3, side, side, generator=generator, dtype=torch.float64)


def _ssim_map_with_a_full_window(x, y):
    """Wang's SSIM of one channel: a 2-D window, zero padding, central moments taken as E[(x − μ)(y − μ)] by pixel."""
    window = torch.tensor(
        [[math.exp(-(u * u + v * v) / (2 * 1.5**2)) for v in range(-5, 6)] for u in range(-5, 6)], dtype=x.dtype
    )
    window = (window / window.sum())[None, None]
    mean = lambda a: conv2d(a[None, None], window, padding=5)[0, 0]  # noqa: E731
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    return (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))


def _pixel_by_pixel(output, target, term):
    per_sample = []
    for a, b in zip(output.tolist(), target.tolist(), strict=True):
        values = [
            term(p - q)
            for c, d in zip(a, b, strict=True)
            for e, f in zip(c, d, strict=True)
            for p, q in zip(e, f, strict=True)
        ]
        per_sample.append(math.fsum(values) / len(values))
    return torch.tensor(per_sample, dtype=torch.float64)


CLOSED_FORMS = {
    "l1": abs,
    "mse": lambda e: e * e,
    "charbonnier": lambda e: math.hypot(e, 1e-3),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_pixel_losses_are_the_mean_over_the_values_of_each_sample(name):
    output, target = _pair()
    torch.testing.assert_close(
        LOSSES[name](output, target), _pixel_by_pixel(output, target, CLOSED_FORMS[name]), rtol=SHARP, atol=0
    )


def test_negative_psnr_is_minus_that_of_scikit_image():
    output, target = _pair()
    expected = [
        -peak_signal_noise_ratio(b.numpy(), a.numpy(), data_range=1) for a, b in zip(output, target, strict=True)
    ]
    torch.testing.assert_close(LOSSES["negative_psnr"](output, target), torch.tensor(expected), rtol=0, atol=1e-6)


def test_negative_ssim_is_minus_the_mean_over_all_pixels_and_channels_of_zero_padded_ssim():
    output, target = _pair()
    expected = [
        -torch.stack([_ssim_map_with_a_full_window(a, b) for a, b in zip(x, y, strict=True)]).mean()
        for x, y in zip(output, target, strict=True)
    ]
    torch.testing.assert_close(LOSSES["negative_ssim"](output, target), torch.stack(expected), rtol=SHARP, atol=SHARP)


def test_negative_ssim_inside_a_zero_frame_of_half_a_window_is_that_of_pytorch_msssim_without_padding():
    output, target = _pair(side=15)
    frame = [torch.nn.functional.pad(x, (5, 5, 5, 5)) for x in (output, target)]
    line = torch.exp(-(torch.arange(-5, 6, dtype=torch.float64) ** 2) / (2 * 1.5**2))  # its own is of float32
    window = (line / line.sum()).expand(3, 1, 1, 11)
    # 'valid' windows of the framed image: zero padding
    theirs = -ssim(*frame, data_range=1, size_average=False, win=window)
    torch.testing.assert_close(LOSSES["negative_ssim"](output, target), theirs, rtol=SHARP, atol=SHARP)


@pytest.mark.parametrize(
    ("name", "least"), [("l1", 0), ("mse", 0), ("charbonnier", 1e-3), ("negative_ssim", -1), ("negative_psnr", -80)]
)
def test_the_loss_of_equal_images_is_its_least_value(name, least):
    output, target = _pair()
    loss = LOSSES[name]
    torch.testing.assert_close(
        loss(target, target), torch.full((3,), float(least), dtype=torch.float64), rtol=0, atol=SHARP
    )
    assert (loss(output, target) > least + 1e-3).all()


@pytest.mark.parametrize("name", LOSSES)
def test_the_losses_separate_over_samples(name):
    output, target = _pair()
    together = LOSSES[name](output, target)
    assert together.shape == (3,)
    apart = torch.cat([LOSSES[name](output[n : n + 1], target[n : n + 1]) for n in (2, 0, 1)])
    torch.testing.assert_close(together[[2, 0, 1]], apart, rtol=SHARP, atol=SHARP)


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradients_of_the_losses_agree_with_finite_differences(name):
    output, target = _pair(n=2, side=6)
    assert torch.autograd.gradcheck(lambda x: LOSSES[name](x, target), (output.clone().requires_grad_(),))


def test_the_output_is_not_clamped_so_that_values_beyond_white_keep_their_gradient():
    for loss in LOSSES.values():
        output = torch.full((1, 3, 12, 12), 1.5, requires_grad=True)
        loss(output, torch.full((1, 3, 12, 12), 0.7)).sum().backward()
        assert output.grad.abs().min() > 0


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradients_of_equal_flat_images_are_finite(name):
    output = torch.zeros(1, 3, 12, 12, requires_grad=True)
    LOSSES[name](output, torch.zeros(1, 3, 12, 12)).sum().backward()
    assert torch.isfinite(output.grad).all()
