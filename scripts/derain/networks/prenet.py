"""PReNet and its variants (Ren et al., "Progressive Image Deraining Networks", CVPR 2019).

| published | lstm | shared_block | parameters (32 channels) |
|---|---|---|---|
| PReNet   | yes | no  | 168,963 |
| PReNet_r | yes | yes | 94,979 |
| PRN      | no  | no  | 95,107 |
| PRN_r    | no  | yes | 21,123 |

Parameter names are those of the published weights, which therefore load strictly. The forward pass computes the same
function as the published code, but skips multiplications by zero and computes what is equal in all stages only once.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

State = tuple[Tensor, Tensor]  # (h, c) of the LSTM


def _conv_relu(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]


def _conv(inputs: int, outputs: int) -> nn.Sequential:
    """A convolution inside a Sequential, so that its parameter names match the published weights."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1))


def _kernel(layer: Any) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution in a `_conv` layer."""
    return layer[0].weight, layer[0].bias


class Network(nn.Module):
    """PReNet: T recurrent stages with shared weights; each stage refines the estimate of the previous one.

    stages: T; channels: number of feature channels; blocks: residual blocks per stage; lstm: pass (h, c) from stage to
    stage; shared_block: use one residual block `blocks` times (the "_r" variants).
    """

    def __init__(
        self, stages: int = 6, channels: int = 32, blocks: int = 5, lstm: bool = True, shared_block: bool = False
    ) -> None:
        super().__init__()
        self.stages, self.channels = stages, channels
        self.conv0 = _conv(6, channels)
        distinct = 1 if shared_block else blocks
        self.block_names = [f"res_conv{1 if shared_block else k + 1}" for k in range(blocks)]
        for k in range(distinct):
            self.add_module(
                f"res_conv{k + 1}", nn.Sequential(*_conv_relu(channels, channels), *_conv_relu(channels, channels))
            )
        self.lstm = lstm
        if lstm:
            self.conv_i = _conv(2 * channels, channels)
            self.conv_f = _conv(2 * channels, channels)
            self.conv_g = _conv(2 * channels, channels)
            self.conv_o = _conv(2 * channels, channels)
        self.conv = _conv(channels, 3)

    def forward(self, rainy: Tensor) -> Tensor:
        """Return the estimate of the last stage: (B, 3, H, W) in [0, 1] → same shape, not clamped."""
        weight, bias = _kernel(self.conv0)
        of_rainy, of_estimate = weight[:, :3], weight[:, 3:]
        # conv0(rainy, estimate) is a sum of two convolutions; the one of rainy is constant over the stages.
        constant = conv2d(rainy, of_rainy, bias, padding=1)
        blocks = [self.get_submodule(name) for name in self.block_names]
        gates = self._gates() if self.lstm else None
        state: State | None = None
        estimate = rainy
        for _ in range(self.stages):
            z = (constant + conv2d(estimate, of_estimate, padding=1)).relu_()
            if gates is not None:
                state = self._next(z, state, *gates)
                z = state[0]
            for block in blocks:
                z = (block(z) + z).relu_()
            estimate = self.conv(z) + rainy
        return estimate

    def _gates(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of one convolution of (z, h) that computes all gates, in the order i, g, o, f."""
        weights, biases = zip(*map(_kernel, (self.conv_i, self.conv_g, self.conv_o, self.conv_f)), strict=True)
        return torch.cat(weights), torch.cat(biases)

    def _next(self, z: Tensor, state: State | None, weight: Tensor, bias: Tensor) -> State:
        """(h, c) after a stage: c = σ(f)·c + σ(i)·tanh(g), h = σ(o)·tanh(c). state None: h = c = 0."""
        if state is None:  # the gate f and the input channels of h are skipped
            n = self.channels
            i, g, o = conv2d(z, weight[: 3 * n, :n], bias[: 3 * n], padding=1).chunk(3, 1)
            c = i.sigmoid() * g.tanh()
        else:
            h, c = state
            i, g, o, f = conv2d(torch.cat((z, h), 1), weight, bias, padding=1).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c
