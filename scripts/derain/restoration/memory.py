"""Chooses the side of tiles by the memory that a network needs for a pixel."""

from contextlib import suppress
from math import ceil, isqrt, sqrt
from pathlib import Path
from weakref import WeakKeyDictionary

import psutil
import torch
from torch import nn

from derain.allocator import return_freed_memory
from derain.errors import UserError
from derain.evaluation.tiles import Field, sensible_side, smallest_side

MEASURED = (128, 384)  # sides of the images whose memory is measured, pixels
ASSUMED = 4096  # bytes for each pixel, where the system does not say how much is used; PReNet needs 2 to 3 thousand
LARGEST_SIDE = 2048  # pixels; larger tiles save little
HEADROOM = 1.5  # the heap, over what its growth between the sizes above says; 0.95 to 1.43 were seen with 9 shapes
ROUNDED = 10**8  # bytes; what is needed differs by less from call to call
UINT8_BYTES = 9  # of a pixel of an image, of the one decoded next, and of the output
FLOAT_BYTES = 16  # of a pixel of sums and weights, where tiles are blended


_BYTES: WeakKeyDictionary[nn.Module, float] = WeakKeyDictionary()


def side_within(network: nn.Module, field: Field, memory: int, pixels: int) -> int:
    """The side of the largest tile, pixels, with which this process should stay within `memory` bytes while it restores
    images of up to `pixels` pixels. Raises UserError with the memory that is needed if it is too little for an image as
    a whole and for tiles of `sensible_side`: smaller ones could take a thousand times as long.
    """
    needed = bytes_per_pixel(network) * HEADROOM
    if next(network.parameters()).is_cuda:
        memory = available = min(memory, torch.cuda.mem_get_info()[0])
    else:
        return_freed_memory()
        images = pixels * (UINT8_BYTES + (FLOAT_BYTES if field.reach is None else 0))
        available = memory - psutil.Process().memory_info().rss - images
    side = int(sqrt(max(available, 0) / needed))
    least = min(sensible_side(field), isqrt(pixels - 1) + 1 if pixels else 0)
    if side < least:
        enough = ceil((memory - available + least**2 * needed) / ROUNDED) * ROUNDED // 10**6
        raise UserError(
            f"{memory:,} bytes of memory are too little for images of {pixels:,} pixels in tiles of {least} × {least}, "
            f"the smallest that make sense with this network; about {enough}M are needed"
        )
    return max(min(side, LARGEST_SIDE), smallest_side(field))


def bytes_per_pixel(network: nn.Module) -> float:
    """Bytes that the network needs for each pixel of its input, by the peaks of two images, measured once."""
    if network not in _BYTES:
        small, large = (_peak(network, side) for side in MEASURED)
        measured = (large - small) / (MEASURED[1] ** 2 - MEASURED[0] ** 2)
        _BYTES[network] = measured if measured > 0 else ASSUMED
    return _BYTES[network]


def _peak(network: nn.Module, side: int) -> int:
    device = next(network.parameters()).device
    images = torch.zeros(1, 3, side, side, device=device)
    with torch.inference_mode():
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            network(images)
            return torch.cuda.max_memory_allocated(device)
        return_freed_memory()  # memory that is only used again would not count
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak of the resident memory
        network(images)
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # no Linux
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
