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
from torch import nn

from derain.evaluation.restoring import clamped_output
from derain.evaluation.rounding import ROUNDINGS

# Sides of the strips of pixels that `reach` is measured on, pixels. The reach must be less than half the longest one.
STRIP, SHORTEST, LONGEST = 8, 65, 1025
COARSEST = 64  # pixels; the largest step of a network's grid that is looked for
OVERLAP = 64  # pixels that neighbours share where the reach is not finite

TILE = 1024  # side of the tiles of validation, pixels: the images of the published sets are one tile

Pixels = NDArray[np.uint8]


class Field(NamedTuple):
    """What a pixel of the output depends on. reach: farthest input pixel in rows or columns, None if it is not finite;
    grid: the output moves with the input by multiples of this many pixels (1 without downsampling).
    """

    reach: int | None
    grid: int


_FIELDS: WeakKeyDictionary[nn.Module, Field] = WeakKeyDictionary()  # take seconds to measure


def field_of(network: nn.Module) -> Field:
    """Measure the field of a network, once, on a copy on the CPU.

    The reach is measured by a pixel that is not a number: it makes every output pixel that depends on it not a number,
    whatever the weights are. Two strips of pixels are enough, one for each axis.
    """
    if network not in _FIELDS:
        _FIELDS[network] = _measured(network)
    return _FIELDS[network]


def _measured(network: nn.Module) -> Field:
    probe = copy.deepcopy(network).cpu().float().eval()
    with torch.inference_mode():
        reaches = [_reach(probe, axis, 0) for axis in (2, 3)]
        if None in reaches:
            return Field(None, COARSEST)
        reach = max(found or 0 for found in reaches)
        grid = max(_grid(probe, axis, reach) for axis in (2, 3))
        places = [(axis, place) for axis in (2, 3) for place in range(1, grid)]
        return Field(max([reach, *(_reach(probe, axis, place) or LONGEST for axis, place in places)]), grid)


def _reach(network: nn.Module, axis: int, place: int) -> int | None:
    """The farthest output pixel along an axis (2: rows, 3: columns) that a pixel reaches; None if it is the last one of
    the longest strip. place: of the pixel in the grid.
    """
    side = SHORTEST
    while side <= LONGEST:
        shape = [1, 3, STRIP, STRIP]
        shape[axis] = side
        images = torch.zeros(shape)
        images.select(axis, side // 2 + place).fill_(torch.nan)
        reached = network(images).isnan().any(1).any(4 - axis)[0].nonzero()
        distance = int((reached - side // 2 - place).abs().max()) if reached.numel() else 0
        if distance < side // 2 - place:
            return distance
        side = 2 * side - 1
    return None


def _grid(network: nn.Module, axis: int, reach: int) -> int:
    """The smallest power of two, up to COARSEST, by which the input can be moved along an axis (2: rows, 3: columns) so
    that the output moves with it.
    """
    generator = torch.Generator().manual_seed(0)
    side = 2 * (reach + COARSEST)
    shape = [1, 3, STRIP, STRIP]
    shape[axis] = side + COARSEST
    image = torch.rand(shape, generator=generator)
    start, length = reach + COARSEST // 2, COARSEST // 2  # depends on no border, before and after the move
    there = network(image.narrow(axis, 0, side)).narrow(axis, start, length)
    step = 1
    while step < COARSEST:
        moved = network(image.narrow(axis, step, side)).narrow(axis, start - step, length)
        if torch.allclose(there, moved, rtol=1e-4, atol=1e-5):
            return step
        step *= 2
    return COARSEST


class Tile(NamedTuple):
    """A part of an image. inside: (rows, columns) of the output that it gives; seen: (rows, columns) of the input."""

    inside: tuple[slice, slice]
    seen: tuple[slice, slice]


def tiles_of(height: int, width: int, side: int, field: Field) -> Iterator[Tile]:
    """The tiles of an image of height × width pixels, whose inputs have at most side² pixels. With so few pixels the
    image is one tile, whatever its shape.

    With a finite reach the outputs of the tiles cover the image once; else neighbours share OVERLAP pixels. Raises
    ValueError if the side leaves nothing between the margins.
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
    """Weights of a tile along one axis: 1 inside, falling to 1/OVERLAP at borders that are none of the image."""
    places = np.arange(part.start, part.stop)
    before = np.inf if part.start == 0 else places - part.start + 1
    after = np.inf if part.stop == length else part.stop - places
    return np.minimum(np.minimum(before, after) / OVERLAP, 1).astype(np.float32) * np.ones(len(places), np.float32)
