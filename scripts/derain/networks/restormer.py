"""Restormer, a U-Net of transformer blocks whose attention is between channels (Zamir et al., "Restormer: Efficient
Transformer for High-Resolution Image Restoration", CVPR 2022).

The published size for de-raining has width 48, blocks 4, 6, 6, 8, refinement 4, heads 1, 2, 4, 8 and expansion 2.66:
26,126,644 parameters. Parameter names and shapes are those of the published weights (github.com/swz30/Restormer, commit
8b1d4988, basicsr/models/archs/restormer_arch.py), which therefore load strictly. Images are padded as the authors'
Deraining/test.py pads them: by reflection, to multiples of 8. Left out are the variants for other tasks: layer
normalisation without bias, convolutions with bias, and dual-pixel input.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize

from derain.networks.layers import ChannelNorm, padded

LEVELS = 4


def _conv(inputs: int, outputs: int, side: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, padding=side // 2, groups=groups, bias=False)


def _named(**parts: nn.Module) -> nn.Sequential:
    """Modules one after the other, under the names of the published weights."""
    return nn.Sequential(OrderedDict(parts))


class _Attention(nn.Module):
    """MDTA: softmax(α·q̂·k̂ᵀ)·v in each head, between the C/heads channels; q̂, k̂ have unit norm over the pixels.

    q, k, v: 1×1 and depthwise 3×3 convolutions of the input; α: `temperature`, one for each head.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = _conv(channels, 3 * channels)
        self.qkv_dwconv = _conv(3 * channels, 3 * channels, 3, groups=3 * channels)
        self.project_out = _conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        # (B, 3·C, H, W) → q, k, v of (B, heads, C/heads, H·W)
        qkv = self.qkv_dwconv(self.qkv(x)).flatten(2)
        q, k, v = qkv.unflatten(1, (3, len(self.temperature), -1)).unbind(1)
        weights = (normalize(q, dim=-1) @ normalize(k, dim=-1).mT * self.temperature).softmax(-1)
        attended: Tensor = self.project_out((weights @ v).reshape(x.shape))
        return attended


class _FeedForward(nn.Module):
    """GDFN: GELU(a)·b, where (a, b) are 1×1 and depthwise 3×3 convolutions of the input, then a 1×1 convolution."""

    def __init__(self, channels: int, expansion: float) -> None:
        super().__init__()
        hidden = int(expansion * channels)
        self.project_in = _conv(channels, 2 * hidden)
        self.dwconv = _conv(2 * hidden, 2 * hidden, 3, groups=2 * hidden)
        self.project_out = _conv(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.dwconv(self.project_in(x)).chunk(2, 1)
        projected: Tensor = self.project_out(gelu(a) * b)
        return projected


class _Block(nn.Module):
    """y = x + MDTA(norm(x)), z = y + GDFN(norm(y))."""

    def __init__(self, channels: int, heads: int, expansion: float) -> None:
        super().__init__()
        self.norm1 = _named(body=ChannelNorm(channels, eps=1e-5))
        self.attn = _Attention(channels, heads)
        self.norm2 = _named(body=ChannelNorm(channels, eps=1e-5))
        self.ffn = _FeedForward(channels, expansion)

    def forward(self, x: Tensor) -> Tensor:
        y = x + self.attn(self.norm1(x))
        z: Tensor = y + self.ffn(self.norm2(y))
        return z


def _down(channels: int) -> nn.Sequential:
    """(B, C, H, W) → (B, 2·C, H/2, W/2)."""
    return _named(body=nn.Sequential(_conv(channels, channels // 2, 3), nn.PixelUnshuffle(2)))


def _up(channels: int) -> nn.Sequential:
    """(B, C, H, W) → (B, C/2, 2·H, 2·W)."""
    return _named(body=nn.Sequential(_conv(channels, 2 * channels, 3), nn.PixelShuffle(2)))


class Network(nn.Module):
    """Restormer: four levels; level n has 2ⁿ⁻¹·width channels and 2ⁿ⁻¹ times shorter sides.

    width: channels of level 1, even; blocks: in levels 1 to 4, those of 1 to 3 in the encoder and again in the decoder;
    refinement: blocks at full resolution behind the decoder; heads: of the attention in levels 1 to 4, each a divisor
    of the level's channels; expansion: hidden channels of a feed-forward layer, as a multiple of its channels.

    The decoder's level 1 and the refinement have 2·width channels: the encoder's output is appended there without the
    1×1 convolution that halves the channels in levels 2 and 3.
    """

    def __init__(
        self,
        width: int = 16,
        blocks: Sequence[int] = (1, 1, 1, 1),
        refinement: int = 1,
        heads: Sequence[int] = (1, 2, 4, 8),
        expansion: float = 2.66,
    ) -> None:
        super().__init__()
        c1, c2, c3, c4 = (width * 2**level for level in range(LEVELS))

        def level(number: int, channels: int, count: int | None = None) -> nn.Sequential:
            each = (_Block(channels, heads[number - 1], expansion) for _ in range(count or blocks[number - 1]))
            return nn.Sequential(*each)

        self.patch_embed = _named(proj=_conv(3, c1, 3))
        self.encoder_level1 = level(1, c1)
        self.down1_2 = _down(c1)
        self.encoder_level2 = level(2, c2)
        self.down2_3 = _down(c2)
        self.encoder_level3 = level(3, c3)
        self.down3_4 = _down(c3)
        self.latent = level(4, c4)
        self.up4_3 = _up(c4)
        self.reduce_chan_level3 = _conv(2 * c3, c3)
        self.decoder_level3 = level(3, c3)
        self.up3_2 = _up(c3)
        self.reduce_chan_level2 = _conv(2 * c2, c2)
        self.decoder_level2 = level(2, c2)
        self.up2_1 = _up(c2)
        self.decoder_level1 = level(1, 2 * c1)
        self.refinement = level(1, 2 * c1, refinement)
        self.output = _conv(2 * c1, 3, 3)

    def forward(self, rainy: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] → same shape, not clamped."""
        height, width = rainy.shape[2:]
        image = padded(rainy, 2 ** (LEVELS - 1))
        one = self.encoder_level1(self.patch_embed(image))
        two = self.encoder_level2(self.down1_2(one))
        three = self.encoder_level3(self.down2_3(two))
        x = self.up4_3(self.latent(self.down3_4(three)))
        x = self.up3_2(self.decoder_level3(self.reduce_chan_level3(torch.cat((x, three), 1))))
        x = self.up2_1(self.decoder_level2(self.reduce_chan_level2(torch.cat((x, two), 1))))
        x = self.refinement(self.decoder_level1(torch.cat((x, one), 1)))
        restored: Tensor = self.output(x) + image
        return restored[..., :height, :width]
