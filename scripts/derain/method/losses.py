"""Restoration losses of an output f(O; θ) and its clean image B: two tensors (N, 3, H, W) → one value per sample, (N,).

B is in [0, 1]; outputs are not clamped in training.

They do not average over the batch, because the importance Ω needs the gradient of each sample.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv2d

Loss = Callable[[Tensor, Tensor], Tensor]

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2


def l1(output: Tensor, target: Tensor) -> Tensor:
    """Mean |output − target| of each sample."""
    return (output - target).abs().flatten(1).mean(1)


def mse(output: Tensor, target: Tensor) -> Tensor:
    """Mean (output − target)² of each sample."""
    return (output - target).square().flatten(1).mean(1)


def charbonnier(output: Tensor, target: Tensor) -> Tensor:
    """Mean √((output − target)² + ε²) of each sample, ε = 1e-3 (Lai et al., CVPR 2017; MPRNet)."""
    return ((output - target).square() + 1e-6).sqrt().flatten(1).mean(1)


def negative_ssim(output: Tensor, target: Tensor) -> Tensor:
    """−SSIM of each sample in RGB, in [−1, 1], the training loss of PReNet's authors.

    Gaussian window 11×11 of σ 1.5 on zero-padded images (so that borders count too), C1 = 1e-4, C2 = 9e-4.
    """
    offsets = torch.arange(SSIM_WINDOW, dtype=output.dtype, device=output.device) - SSIM_WINDOW // 2
    line = torch.exp(-(offsets**2) / (2 * SSIM_SIGMA**2))
    line = line / line.sum()

    # One pass of the separable window computes all five local means. It runs without autocast, because variances are
    # differences of means.
    x, y = output, target
    stacked = torch.cat((x, y, x * x, y * y, x * y), 1)
    maps = stacked.shape[1]
    with torch.autocast(output.device.type, enabled=False):
        rows = conv2d(stacked, line.expand(maps, 1, 1, -1), padding=(0, SSIM_WINDOW // 2), groups=maps)
        means = conv2d(rows, line.reshape(-1, 1).expand(maps, 1, -1, 1), padding=(SSIM_WINDOW // 2, 0), groups=maps)
    mu_x, mu_y, xx, yy, xy = means.chunk(5, 1)

    luminance = (2 * mu_x * mu_y + SSIM_C1) / (mu_x**2 + mu_y**2 + SSIM_C1)
    structure = (2 * (xy - mu_x * mu_y) + SSIM_C2) / ((xx - mu_x**2) + (yy - mu_y**2) + SSIM_C2)
    return -(luminance * structure).flatten(1).mean(1)


def negative_psnr(output: Tensor, target: Tensor) -> Tensor:
    """−PSNR of each sample in RGB, dB: 10·log10(mse + 1e-8), at least −80 (the loss of NAFNet, Chen et al., ECCV 2022).

    The gradient of a sample is divided by its own error. So light rain counts as much as heavy rain, whose errors are
    larger and which rules the other losses in a batch with both.
    """
    return 10 * (mse(output, target) + 1e-8).log10()


LOSSES: dict[str, Loss] = {
    "l1": l1,
    "mse": mse,
    "charbonnier": charbonnier,
    "negative_ssim": negative_ssim,
    "negative_psnr": negative_psnr,
}
