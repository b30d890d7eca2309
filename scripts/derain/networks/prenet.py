"""PReNet and its variants (Ren et al., "Progressive Image Deraining Networks", CVPR 2019).

| published | lstm | shared_block | parameters (32 channels) |
|---|---|---|---|
| PReNet   | yes | no  | 168,963 |
| PReNet_r | yes | yes | 94,979 |
| PRN      | no  | no  | 95,107 |
| PRN_r    | no  | yes | 21,123 |

Parameter names are those of the published weights, which therefore load strictly.
"""

import torch
from torch import Tensor, nn


def _conv_relu(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]


def _gate(channels: int, activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(2 * channels, channels, 3, padding=1), activation)


class Network(nn.Module):
    """T recurrent stages that share one set of weights; each refines the estimate of the one before.

    stages: T; channels: width of the features; blocks: residual blocks in a stage; lstm: carry (h, c) from stage
    to stage; shared_block: use one residual block `blocks` times (the "_r" variants).
    """

    def __init__(
        self, stages: int = 6, channels: int = 32, blocks: int = 5, lstm: bool = True, shared_block: bool = False
    ) -> None:
        super().__init__()
        self.stages, self.channels = stages, channels
        self.conv0 = nn.Sequential(*_conv_relu(6, channels))
        distinct = 1 if shared_block else blocks
        self.block_names = [f"res_conv{1 if shared_block else k + 1}" for k in range(blocks)]
        for k in range(distinct):
            self.add_module(
                f"res_conv{k + 1}", nn.Sequential(*_conv_relu(channels, channels), *_conv_relu(channels, channels))
            )
        self.lstm = lstm
        if lstm:
            self.conv_i = _gate(channels, nn.Sigmoid())
            self.conv_f = _gate(channels, nn.Sigmoid())
            self.conv_g = _gate(channels, nn.Tanh())
            self.conv_o = _gate(channels, nn.Sigmoid())
        self.conv = nn.Sequential(nn.Conv2d(channels, 3, 3, padding=1))

    def forward(self, rainy: Tensor) -> Tensor:
        """The estimate of the last stage: (B, 3, H, W) in [0, 1] → the same shape, unclamped."""
        batch, _, height, width = rainy.shape
        h = c = rainy.new_zeros(batch, self.channels, height, width)
        blocks = [self.get_submodule(name) for name in self.block_names]
        estimate = rainy
        for _ in range(self.stages):
            z = self.conv0(torch.cat((rainy, estimate), 1))
            if self.lstm:
                z = torch.cat((z, h), 1)
                c = self.conv_f(z) * c + self.conv_i(z) * self.conv_g(z)
                z = h = self.conv_o(z) * torch.tanh(c)
            for block in blocks:
                z = torch.relu(block(z) + z)
            estimate = self.conv(z) + rainy
        return estimate
