"""NAFNet and Restormer word by word as in their papers, on plain tables of weights: the oracle of other tests."""

from collections.abc import Sequence
from itertools import count
from math import prod

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d

Shapes = dict[str, tuple[int, ...]]
Table = dict[str, Tensor]


def random_weights(shapes: Shapes) -> Table:
    """Weights of these shapes in float64, none of which is without effect; those of products have a mean of 1."""
    generator = torch.Generator().manual_seed(7)
    table = {}
    for name, shape in shapes.items():
        draw = torch.randn(*shape, generator=generator, dtype=torch.float64)
        if name.endswith(("temperature", "beta", "gamma")) or (".norm" in name and name.endswith("weight")):
            table[name] = 1 + 0.2 * draw
        elif len(shape) == 1:
            table[name] = 0.2 * draw
        else:
            table[name] = draw / prod(shape[1:]) ** 0.5
    return table


def convolutions(*named: tuple[str, int, int, int], bias: bool = True) -> Shapes:
    """Shapes of convolutions: name, channels out, channels in of each group, side of the kernel."""
    shapes: Shapes = {}
    for name, out, into, side in named:
        shapes[f"{name}.weight"] = (out, into, side, side)
        if bias:
            shapes[f"{name}.bias"] = (out,)
    return shapes


def reflected(images: Tensor, multiple: int) -> Tensor:
    """Padded below and to the right by NumPy's reflection, to multiples."""
    more = [(0, 0), (0, 0), *((0, -side % multiple) for side in images.shape[2:])]
    return torch.from_numpy(np.pad(images.numpy(), more, mode="reflect"))


def shuffled(x: Tensor) -> Tensor:
    """Twice the sides: of four channels one after the other, those of the pixels of a 2×2 square."""
    b, c, h, w = x.shape
    return torch.stack(
        [x[:, 2 * i + j :: 4] for i in range(2) for j in range(2)], -1
    ).reshape(b, c // 4, h, w, 2, 2).permute(0, 1, 2, 4, 3, 5).reshape(b, c // 4, 2 * h, 2 * w)  # fmt: skip


def normalised(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """Layer normalisation over the channels."""
    centred = x - x.mean(1, keepdim=True)
    deviation = torch.sqrt((centred**2).mean(1, keepdim=True) + epsilon)
    return centred / deviation * weight[:, None, None] + bias[:, None, None]


def _layer(table: Table, name: str, x: Tensor, stride: int = 1) -> Tensor:
    """A convolution that keeps the sides, divided by the stride; depthwise where its weight has one channel in."""
    weight = table[f"{name}.weight"]
    padding = 0 if stride > 1 else weight.shape[-1] // 2
    return conv2d(x, weight, table.get(f"{name}.bias"), stride, padding, groups=x.shape[1] // weight.shape[1])


# --- NAFNet


def nafnet_shapes(width: int, encoder: Sequence[int], middle: int, decoder: Sequence[int]) -> Shapes:
    """Names and shapes of its weights."""
    coarsest = width * 2 ** len(encoder)
    shapes = convolutions(("intro", width, 3, 3), ("ending", 3, width, 3))
    groups = [(f"encoders.{level}", n, width * 2**level) for level, n in enumerate(encoder)]
    groups += [("middle_blks", middle, coarsest)]
    groups += [(f"decoders.{level}", n, coarsest // 2 ** (level + 1)) for level, n in enumerate(decoder)]
    for group, n, c in groups:
        for at in (f"{group}.{k}" for k in range(n)):
            shapes |= {f"{at}.beta": (1, c, 1, 1), f"{at}.gamma": (1, c, 1, 1)}
            shapes |= {f"{at}.{norm}.{part}": (c,) for norm in ("norm1", "norm2") for part in ("weight", "bias")}
            shapes |= convolutions(
                (f"{at}.conv1", 2 * c, c, 1),
                (f"{at}.conv2", 2 * c, 1, 3),
                (f"{at}.sca.1", c, c, 1),
                (f"{at}.conv3", c, c, 1),
                (f"{at}.conv4", 2 * c, c, 1),
                (f"{at}.conv5", c, c, 1),
            )
    for level in range(len(encoder)):
        c = width * 2**level
        shapes |= convolutions((f"downs.{level}", 2 * c, c, 2))
        c = coarsest // 2**level
        shapes |= convolutions((f"ups.{level}.0", 2 * c, c, 1), bias=False)
    return shapes


def literal_nafnet(rainy: Tensor, table: Table) -> Tensor:
    """f(O; θ); the table says how many levels and blocks there are."""

    def block(x: Tensor, at: str) -> Tensor:
        def of(name: str, into: Tensor) -> Tensor:
            return _layer(table, f"{at}.{name}", into)

        def norm(name: str, into: Tensor) -> Tensor:
            return normalised(into, table[f"{at}.{name}.weight"], table[f"{at}.{name}.bias"], 1e-6)

        c = x.shape[1]
        u = of("conv2", of("conv1", norm("norm1", x)))
        u = u[:, :c] * u[:, c:]
        u = u * of("sca.1", u.mean((2, 3), keepdim=True))
        y = x + of("conv3", u) * table[f"{at}.beta"]
        u = of("conv4", norm("norm2", y))
        return y + of("conv5", u[:, :c] * u[:, c:]) * table[f"{at}.gamma"]

    def blocks(x: Tensor, group: str) -> Tensor:
        for at in (f"{group}.{k}" for k in count()):
            if f"{at}.beta" not in table:
                return x
            x = block(x, at)
        return x

    levels = sum(name.startswith("downs.") and name.endswith("weight") for name in table)
    image = reflected(rainy, 2**levels)
    x = _layer(table, "intro", image)
    skipped = []
    for level in range(levels):
        x = blocks(x, f"encoders.{level}")
        skipped.append(x)
        x = _layer(table, f"downs.{level}", x, stride=2)
    x = blocks(x, "middle_blks")
    for level in range(levels):
        x = shuffled(_layer(table, f"ups.{level}.0", x)) + skipped[levels - 1 - level]
        x = blocks(x, f"decoders.{level}")
    return (_layer(table, "ending", x) + image)[:, :, : rainy.shape[2], : rainy.shape[3]]


# --- Restormer


def restormer_shapes(
    width: int, blocks: Sequence[int], refinement: int, heads: Sequence[int], expansion: float = 2.66
) -> Shapes:
    """Names and shapes of its weights."""
    channels = [width, 2 * width, 4 * width, 8 * width]
    groups = [(f"encoder_level{n}", channels[n - 1], blocks[n - 1], heads[n - 1]) for n in (1, 2, 3)]
    groups += [("latent", channels[3], blocks[3], heads[3])]
    groups += [(f"decoder_level{n}", channels[n - 1], blocks[n - 1], heads[n - 1]) for n in (3, 2)]
    groups += [("decoder_level1", 2 * width, blocks[0], heads[0]), ("refinement", 2 * width, refinement, heads[0])]
    shapes: Shapes = {}
    for group, c, n, parts in groups:
        hidden = int(c * expansion)
        for at in (f"{group}.{k}" for k in range(n)):
            shapes |= {f"{at}.{norm}.body.{part}": (c,) for norm in ("norm1", "norm2") for part in ("weight", "bias")}
            shapes[f"{at}.attn.temperature"] = (parts, 1, 1)
            shapes |= convolutions(
                (f"{at}.attn.qkv", 3 * c, c, 1),
                (f"{at}.attn.qkv_dwconv", 3 * c, 1, 3),
                (f"{at}.attn.project_out", c, c, 1),
                (f"{at}.ffn.project_in", 2 * hidden, c, 1),
                (f"{at}.ffn.dwconv", 2 * hidden, 1, 3),
                (f"{at}.ffn.project_out", c, hidden, 1),
                bias=False,
            )
    return shapes | convolutions(
        ("patch_embed.proj", width, 3, 3),
        *((f"down{n}_{n + 1}.body.0", channels[n - 1] // 2, channels[n - 1], 3) for n in (1, 2, 3)),
        *((f"up{n + 1}_{n}.body.0", 2 * channels[n], channels[n], 3) for n in (1, 2, 3)),
        *((f"reduce_chan_level{n}", channels[n - 1], 2 * channels[n - 1], 1) for n in (2, 3)),
        ("output", 3, 2 * width, 3),
        bias=False,
    )


def _unshuffled(x: Tensor) -> Tensor:
    """Half the sides: of each channel the four pixels of a 2×2 square, as channels one after the other."""
    squares = [x[:, :, i::2, j::2] for i in range(2) for j in range(2)]
    return torch.stack(squares, 2).flatten(1, 2)


def literal_restormer(rainy: Tensor, table: Table) -> Tensor:
    """f(O; θ); the table says how many blocks and heads there are."""

    def of(name: str, into: Tensor) -> Tensor:
        return _layer(table, name, into)

    def attention(x: Tensor, at: str) -> Tensor:
        b, c, h, w = x.shape
        temperature = table[f"{at}.temperature"].flatten()
        q, k, v = of(f"{at}.qkv_dwconv", of(f"{at}.qkv", x)).reshape(b, 3, c, h * w).transpose(0, 1)
        each, found = c // len(temperature), []
        for head, alpha in enumerate(temperature):
            here = slice(head * each, (head + 1) * each)
            unit_q, unit_k = (y[:, here] / (y[:, here] ** 2).sum(2, keepdim=True).sqrt() for y in (q, k))
            scores = torch.exp(alpha * torch.einsum("bip,bjp->bij", unit_q, unit_k))
            found.append(torch.einsum("bij,bjp->bip", scores / scores.sum(2, keepdim=True), v[:, here]))
        return of(f"{at}.project_out", torch.cat(found, 1).reshape(b, c, h, w))

    def feed_forward(x: Tensor, at: str) -> Tensor:
        both = of(f"{at}.dwconv", of(f"{at}.project_in", x))
        a, b = both[:, : both.shape[1] // 2], both[:, both.shape[1] // 2 :]
        return of(f"{at}.project_out", a * (1 + torch.erf(a / 2**0.5)) / 2 * b)

    def blocks(x: Tensor, group: str) -> Tensor:
        def norm(name: str, into: Tensor) -> Tensor:
            return normalised(into, table[f"{name}.body.weight"], table[f"{name}.body.bias"], 1e-5)

        for at in (f"{group}.{k}" for k in count()):
            if f"{at}.attn.temperature" not in table:
                return x
            x = x + attention(norm(f"{at}.norm1", x), f"{at}.attn")
            x = x + feed_forward(norm(f"{at}.norm2", x), f"{at}.ffn")
        return x

    image = reflected(rainy, 8)
    x = of("patch_embed.proj", image)
    skipped = {}
    for n in (1, 2, 3):
        skipped[n] = x = blocks(x, f"encoder_level{n}")
        x = _unshuffled(of(f"down{n}_{n + 1}.body.0", x))
    x = blocks(x, "latent")
    for n in (3, 2, 1):
        x = torch.cat([shuffled(of(f"up{n + 1}_{n}.body.0", x)), skipped[n]], 1)
        if n > 1:
            x = of(f"reduce_chan_level{n}", x)
        x = blocks(x, f"decoder_level{n}")
    return (of("output", blocks(x, "refinement")) + image)[:, :, : rainy.shape[2], : rainy.shape[3]]
