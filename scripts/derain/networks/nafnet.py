"""NAFNet, a U-Net without activation functions (Chen et al., "Simple Baselines for Image Restoration", ECCV 2022).

| published | width | encoder | middle | decoder | parameters |
|---|---|---|---|---|---|
| GoPro-width32       | 32 | 1, 1, 1, 28 | 1  | 1, 1, 1, 1 | 17,111,907 |
| GoPro-width64, REDS | 64 | 1, 1, 1, 28 | 1  | 1, 1, 1, 1 | 67,888,835 |
| SIDD-width32        | 32 | 2, 2, 4, 8  | 12 | 2, 2, 2, 2 | 29,159,715 |
| SIDD-width64        | 64 | 2, 2, 4, 8  | 12 | 2, 2, 2, 2 | 115,982,915 |

Parameter names and shapes are those of the published weights (github.com/megvii-research/NAFNet, commit 2b4af71,
basicsr/models/archs/NAFNet_arch.py), which therefore load strictly. Two differences: sides that are no multiple of
2^levels are padded by reflection (`layers.padded`), not with zeros; and the mean of the channel attention is always of
the whole image, where the authors score GoPro and REDS with means of local windows (`NAFNetLocal`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from derain.networks.layers import ChannelNorm, padded


def _gate(x: Tensor) -> Tensor:
    """SimpleGate: the product of the two halves of the channels."""
    first, second = x.chunk(2, 1)
    return first * second


class _Block(nn.Module):
    """y = x + β·F(x), z = y + γ·G(y). F: norm, 1×1 and depthwise 3×3 convolution, gate, attention, 1×1 convolution;
    G: norm, 1×1 convolution, gate, 1×1 convolution.

    β and γ start at 0, as published: a new block is the identity, and the gradient of all weights of F and G is 0. The
    first step moves β and γ, so at a trained θ, where Ω is computed, these gradients are not 0.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        double = 2 * channels
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.conv1 = nn.Conv2d(channels, double, 1)
        self.conv2 = nn.Conv2d(double, double, 3, padding=1, groups=double)
        self.conv3 = nn.Conv2d(channels, channels, 1)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1))
        self.conv4 = nn.Conv2d(channels, double, 1)
        self.conv5 = nn.Conv2d(channels, channels, 1)
        self.norm1 = ChannelNorm(channels, eps=1e-6)
        self.norm2 = ChannelNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        gated = _gate(self.conv2(self.conv1(self.norm1(x))))
        y = x + self.beta * self.conv3(gated * self.sca(gated))
        z: Tensor = y + self.gamma * self.conv5(_gate(self.conv4(self.norm2(y))))
        return z


def _blocks(count: int, channels: int) -> nn.Sequential:
    return nn.Sequential(*(_Block(channels) for _ in range(count)))


class Network(nn.Module):
    """NAFNet: an encoder that halves the sides and doubles the channels at each level, and a decoder back.

    width: channels of the first level; encoder: blocks of each level, finest first; middle: blocks between encoder and
    decoder; decoder: blocks of each level, coarsest first.
    """

    def __init__(
        self,
        width: int = 16,
        encoder: Sequence[int] = (1, 1, 1),
        middle: int = 1,
        decoder: Sequence[int] = (1, 1, 1),
    ) -> None:
        super().__init__()
        self.multiple = 2 ** len(encoder)
        channels = [width * 2**level for level in range(len(encoder) + 1)]
        self.intro = nn.Conv2d(3, width, 3, padding=1)
        self.ending = nn.Conv2d(width, 3, 3, padding=1)
        self.encoders = nn.ModuleList(_blocks(n, c) for n, c in zip(encoder, channels, strict=False))
        self.downs = nn.ModuleList(nn.Conv2d(c, 2 * c, 2, stride=2) for c in channels[:-1])
        self.middle_blks = _blocks(middle, channels[-1])
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, 2 * c, 1, bias=False), nn.PixelShuffle(2)) for c in channels[:0:-1]
        )
        self.decoders = nn.ModuleList(_blocks(n, c) for n, c in zip(decoder, channels[-2::-1], strict=True))

    def forward(self, rainy: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] → same shape, not clamped."""
        height, width = rainy.shape[2:]
        image = padded(rainy, self.multiple)
        x = self.intro(image)
        skipped = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            skipped.append(x)
            x = down(x)
        x = self.middle_blks(x)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(up(x) + skipped.pop())
        restored: Tensor = self.ending(x) + image
        return restored[..., :height, :width]
