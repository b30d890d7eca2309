"""Restores images tile by tile, with bounded memory.

An output pixel depends on the input pixels within the network's reach. A tile that is computed with a margin (halo) of
the reach has the output of the whole image. Attention and pooling over the image have no finite reach: then tiles
overlap and are blended, and the output is another one than that of the whole image.
"""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from derain.evaluation.restoring import clamped_output
from derain.evaluation.rounding import ROUNDINGS

# Height and width of the strips that the field is measured on, across and along, pixels. All networks take images of
# SHORT (derain.plan.trial tries no smaller ones). The first side of LONG shows a reach of up to 127, the second of 511.
SHORT = (17, 19)
LONG = (320, 1088)
COARSEST = 64  # pixels; the largest step of a network's grid that is looked for
CLOSE = 1e-4  # 0.03 levels, of outputs in [0, 1], or of the largest output; sums in another order differ by far less
STEP = 0.01  # in place of parameters that are 0, as factors at the start are: they hide what they multiply
OVERLAP = 128  # pixels that neighbours share, at least, where the reach is not finite

TILE = 1024  # side of the tiles of validation, pixels: the images of the published sets are one tile

Pixels = NDArray[np.uint8]


class Field(NamedTuple):
    """What a pixel of the output depends on. grid: the output moves with the input by multiples of this many pixels (1
    without downsampling); reach: the farthest input pixel in rows or columns, counted from the border of the block of
    grid × grid pixels around the output pixel; None if it is not finite or could not be confirmed.
    """

    reach: int | None
    grid: int


UNBOUNDED = Field(None, COARSEST)

_FIELDS: WeakKeyDictionary[nn.Module, Field] = WeakKeyDictionary()  # take seconds to measure


def field_of(network: nn.Module) -> Field:
    """Measure the field of a network, once, on a copy on the CPU.

    Pixels that are not a number make every output pixel that depends on them not a number, whatever the weights are.
    What this says is confirmed on random strips: tiles must have the output of the whole strip. This finds what a
    comparison hides (it drops what is not a number), single pixels far outside the reach (up to 640 pixels), and what
    depends on the size of an image or the place in it. One strip for each axis is enough. A network that cannot be
    copied or measured counts as one without a finite reach.
    """
    if network not in _FIELDS:
        try:
            _FIELDS[network] = _measured(copy.deepcopy(network))
        except Exception:  # whatever a class of the user's own does with a copy or a strip
            _FIELDS[network] = UNBOUNDED
    return _FIELDS[network]


def _measured(probe: nn.Module) -> Field:
    probe.cpu().float()
    probe.eval()  # a class of the user's own may return nothing
    with torch.inference_mode():
        for parameter in probe.parameters():
            parameter.copy_(torch.where(parameter == 0, STEP, parameter))
        return next(filter(None, (_confirmed(probe, side) for side in LONG)), UNBOUNDED)


def _confirmed(probe: nn.Module, side: int) -> Field | None:
    """The field by strips of `side` pixels that are not a number in the middle, if twice as long random ones agree."""
    reach = 0
    for axis in (2, 3):
        found = _reach(probe, axis, side)
        if found is None:
            return None
        reach = max(reach, found)
    strips = {axis: _strip(axis, 2 * side + 1) for axis in (2, 3)}
    wholes = {axis: probe(strip) for axis, strip in strips.items()}
    grid = 1
    while grid <= COARSEST:
        field = Field(reach, grid)
        if all(_agree(probe, strips[axis], wholes[axis], axis, field) for axis in (2, 3)):
            return field
        grid *= 2
    return None


def _reach(probe: nn.Module, axis: int, side: int) -> int | None:
    """The farthest output pixel along an axis (2: rows, 3: columns) that COARSEST pixels in the middle of a strip
    reach, counted from their border; None if it is at an end of the strip.
    """
    strip, start = _strip(axis, side), (side - COARSEST) // 2
    strip.narrow(axis, start, COARSEST).fill_(torch.nan)
    reached = probe(strip).isnan().any(1).any(4 - axis)[0].nonzero().flatten().tolist()
    if not reached:
        return 0
    if reached[0] == 0 or reached[-1] == side - 1:
        return None
    return max(start - reached[0], reached[-1] - (start + COARSEST - 1), 0)


def _agree(probe: nn.Module, strip: Tensor, whole: Tensor, axis: int, field: Field) -> bool:
    """Whether a tile at the start and one at the end of a strip, along an axis, have the output of the whole strip."""
    length, margin = strip.shape[axis], _margin(field)
    # An odd multiple of the grid: half as fine a grid would differ.
    last = ((length - margin - COARSEST) // field.grid - 1) // 2 * 2 * field.grid + field.grid
    for start, stop, before, after in ((0, COARSEST + margin, 0, margin), (last, length, margin, 0)):
        tile = probe(strip.narrow(axis, start, stop - start).contiguous())
        size = stop - start - before - after
        there = whole.narrow(axis, start + before, size)
        difference = (tile.narrow(axis, before, size) - there).abs().max()
        if not bool(difference <= CLOSE * there.abs().max().clamp(min=1)):
            return False
    return True


def _strip(axis: int, side: int) -> Tensor:
    """Random pixels in [0, 1], (1, 3, H, W), `side` along an axis (2: rows, 3: columns): noise on darker and brighter
    squares of 32 pixels, down to black and white, so that means of windows differ.
    """
    generator = torch.Generator().manual_seed(0)
    shape = [1, 3, *SHORT]
    shape[axis] = side
    squares = torch.rand([1, 3, *(-(-length // 32) for length in shape[2:])], generator=generator)
    squares = squares.repeat_interleave(32, 2).repeat_interleave(32, 3)[..., : shape[2], : shape[3]]
    return (torch.rand(shape, generator=generator) + 2 * squares - 1).clamp(0, 1)


class Tile(NamedTuple):
    """A part of an image. inside: (rows, columns) of the output that it gives; seen: (rows, columns) of the input."""

    inside: tuple[slice, slice]
    seen: tuple[slice, slice]


def tiles_of(height: int, width: int, side: int, field: Field) -> Iterator[Tile]:
    """The tiles of an image of height × width pixels, whose inputs have at most side² pixels. With so few pixels the
    image is one tile, whatever its shape.

    With a finite reach the outputs of the tiles cover the image once; else neighbours share OVERLAP pixels or more.
    Raises ValueError if the side leaves nothing between the margins.
    """
    if height * width <= side**2:
        yield Tile((slice(0, height), slice(0, width)), (slice(0, height), slice(0, width)))
        return
    rows, columns = (list(_spans(length, side, field)) for length in (height, width))
    for inside, seen in rows:
        for inside_columns, seen_columns in columns:
            yield Tile((inside, inside_columns), (seen, seen_columns))


def smallest_side(field: Field) -> int:
    """The smallest side of a tile that leaves something between its margins, pixels."""
    return 2 * _margin(field) + field.grid


def sensible_side(field: Field) -> int:
    """The smallest side of tiles with which the network computes a pixel at most four times, pixels: half of the side
    is margin.
    """
    return max(4 * _margin(field), smallest_side(field))


def _margin(field: Field) -> int:
    """Pixels around the output of a tile that its input has in addition, a multiple of the grid."""
    return -(-(OVERLAP // 2 if field.reach is None else field.reach) // field.grid) * field.grid


def _spans(length: int, side: int, field: Field) -> Iterator[tuple[slice, slice]]:
    """(output, input) of the tiles along one axis. The inputs have one size, so that each tile can use the memory of
    the one before; only the last may have up to a step of the grid less.
    """
    if length <= side:
        yield slice(0, length), slice(0, length)
        return
    margin, grid = _margin(field), field.grid
    largest = (side - 2 * margin) // grid
    if largest < 1:
        raise ValueError(f"tiles of {side} pixels are too small; the smallest have {smallest_side(field)}")
    count = -(-(length - 2 * margin) // (largest * grid))
    step = -(-(length - 2 * margin) // (count * grid)) * grid
    size = step + 2 * margin
    last = -(-(length - size) // grid) * grid
    for n in range(count):
        seen = slice(n * step, n * step + size) if n < count - 1 else slice(last, length)
        inside = slice(n * step + margin if n else 0, length if n == count - 1 else seen.stop - margin)
        yield (seen if field.reach is None else inside), seen


def restored(
    network: nn.Module, rainy: Pixels, side: int, field: Field | None = None, rounding: str = "nearest"
) -> NDArray[Any]:
    """f(O; θ) of one image of any size, tile by tile: (H, W, 3) uint8 → the same shape, clamped and rounded (see
    ROUNDINGS).

    side: of the tiles, pixels (see `tiles_of`), at least the smallest possible one; field: of the network, by default
    measured. Where the reach is not finite, the weights of overlapping tiles fall linearly towards their borders.
    Raises UserError as `clamped_output`.
    """
    return _restored(network, rainy, side, field, ROUNDINGS[rounding])


def restored_output(
    network: nn.Module, rainy: Pixels, side: int, theta: str | Path = "the network"
) -> NDArray[np.float32]:
    """The same, clamped to [0, 1] and not rounded. theta: name of the network in errors."""
    return _restored(network, rainy, side, None, lambda output: output, theta)


def _restored(
    network: nn.Module,
    rainy: Pixels,
    side: int,
    field: Field | None,
    rounded: Callable[[NDArray[np.float32]], NDArray[Any]],
    theta: str | Path = "the network",
) -> NDArray[Any]:
    height, width = rainy.shape[:2]
    if height * width <= side**2:
        return rounded(clamped_output(network, rainy, theta))
    field = field or field_of(network)
    tiles = tiles_of(height, width, max(side, smallest_side(field)), field)
    if field.reach is not None:
        output = np.empty(rainy.shape, rounded(np.zeros(1, np.float32)).dtype)
        for inside, seen in tiles:
            rows, columns = (
                slice(part.start - whole.start, part.stop - whole.start)
                for part, whole in zip(inside, seen, strict=True)
            )
            restored = clamped_output(network, np.ascontiguousarray(rainy[seen]), theta)
            output[inside] = rounded(restored[rows, columns])
        return output
    sums, total = np.zeros(rainy.shape, np.float32), np.zeros((height, width, 1), np.float32)
    for inside, seen in tiles:
        weights = _ramp(inside[0], height)[:, None, None] * _ramp(inside[1], width)[:, None]
        sums[inside] += clamped_output(network, np.ascontiguousarray(rainy[seen]), theta) * weights
        total[inside] += weights
    return rounded(np.divide(sums, total, out=sums))


def _ramp(part: slice, length: int) -> NDArray[np.float32]:
    """Weights of a tile along one axis: 1 inside, falling over half of OVERLAP at borders inside the image."""
    places = np.arange(part.start, part.stop)
    before = np.inf if part.start == 0 else places - part.start + 1
    after = np.inf if part.stop == length else part.stop - places
    return np.minimum(np.minimum(before, after) / (OVERLAP // 2), 1).astype(np.float32) * np.ones(
        len(places), np.float32
    )
