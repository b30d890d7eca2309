"""PReNet word by word as the paper tells it, on plain tables of weights: the oracle of other tests."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, relu

Table = dict[str, Tensor]


def random_table(stages: int, channels: int, blocks: int, lstm: bool, shared_block: bool) -> Table:
    """Weights under the published names, however many stages share them."""
    shapes = {"conv0.0": (channels, 6)}
    for k in range(1, (1 if shared_block else blocks) + 1):
        shapes |= {f"res_conv{k}.0": (channels, channels), f"res_conv{k}.2": (channels, channels)}
    if lstm:
        shapes |= {f"conv_{gate}.0": (channels, 2 * channels) for gate in "ifgo"}
    shapes["conv.0"] = (3, channels)
    generator = torch.Generator().manual_seed(7)
    table = {}
    for name, (out, into) in shapes.items():
        scale = 1 / (3 * into**0.5)
        table[f"{name}.weight"] = scale * torch.randn(out, into, 3, 3, generator=generator)
        table[f"{name}.bias"] = scale * torch.randn(out, generator=generator)
    return table


def literal_prenet(rainy: Tensor, tables: list[Table], blocks: int) -> Tensor:
    """f(O; θ). tables: the weights of each of the T stages, one and the same table T times in PReNet itself."""
    channels = len(tables[0]["conv0.0.bias"])
    x = rainy
    h = torch.zeros(rainy.shape[0], channels, *rainy.shape[2:], dtype=rainy.dtype)
    c = torch.zeros_like(h)
    for table in tables:

        def convolution(name: str, into: Tensor, table: Table = table) -> Tensor:
            return conv2d(into, table[f"{name}.weight"], table[f"{name}.bias"], stride=1, padding=1)

        x = relu(convolution("conv0.0", torch.cat([rainy, x], dim=1)))
        if "conv_i.0.weight" in table:
            xh = torch.cat([x, h], dim=1)
            i, f, o = (torch.sigmoid(convolution(f"conv_{gate}.0", xh)) for gate in "ifo")
            g = torch.tanh(convolution("conv_g.0", xh))
            c = f * c + i * g
            h = o * torch.tanh(c)
            x = h
        for k in range(1, blocks + 1):
            name = f"res_conv{k}" if f"res_conv{k}.0.weight" in table else "res_conv1"
            x = relu(relu(convolution(f"{name}.2", relu(convolution(f"{name}.0", x)))) + x)
        x = convolution("conv.0", x) + rainy
    return x
