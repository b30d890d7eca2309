"""Parts that backbones share: normalisation over channels, and padding to a multiple."""

import torch
from torch import Tensor, nn


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation of (B, C, H, W) over C, at each pixel: (x − μ)/√(σ² + ε)·weight + bias (Ba et al. 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → the same shape, contiguous: gradients of convolutions then have the strides of their weights,
        as DistributedDataParallel expects.
        """
        return super().forward(x.movedim(1, -1)).movedim(-1, 1).contiguous()


def padded(images: Tensor, multiple: int) -> Tensor:
    """Pad (B, C, H, W) at the bottom and at the right to the next multiple of `multiple`.

    Padding is by reflection without repeating the border pixel. If an image is smaller than its padding, the reflection
    goes back and forth, as in NumPy's mode "reflect"; one row or column is repeated.
    """
    for axis in (2, 3):  # no condition on the sides, so that an exported network takes all sizes
        side = images.shape[axis]
        there = torch.arange(side, device=images.device)
        cycle = torch.cat((there, there.flip(0)[1:-1]))  # 0, 1 … side − 1 … 1
        images = images.index_select(axis, cycle.repeat(multiple)[: (side + multiple - 1) // multiple * multiple])
    return images
