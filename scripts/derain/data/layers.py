"""Rain layers R = O − B of a dataset's pairs, added to other photographs: O' = B' + R, clipped to 8 bits.

Integer arithmetic on 8-bit values, so equal on every machine. R may be negative, for example in JPEG pairs.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from derain.data.images import Pixels, boxed
from derain.data.samples import SPLITS
from derain.data.store import PackedPairs, Store, pairs_digest
from derain.errors import UserError, shown


def add_layer(clean: Pixels, rainy: Pixels, background: Pixels, corner: tuple[int, int]) -> Pixels:
    """B' + (O − B) with B' = clean (H, W, 3), O = rainy and B = background (h, w, 3), clipped to 8 bits: (H, W, 3).

    The layer is cut out at `corner` (top, left; pixels). Where it ends, it continues at its opposite side (a cyclic
    shift): that keeps the direction of the streaks, which a reflection would mirror.
    """
    rows, columns = (
        (first + np.arange(want)) % have for first, want, have in zip(corner, clean.shape, rainy.shape, strict=False)
    )
    layer = rainy[rows[:, None], columns].astype(np.int16) - background[rows[:, None], columns]
    return np.clip(clean + layer, 0, 255).astype(np.uint8)


class Layers:
    """The pairs of a dataset whose rain layers another dataset takes. stores: of the dataset, as for `PackedPairs`."""

    def __init__(self, stores: Iterable[Store]) -> None:
        known = list(stores)
        self._pairs = {split: PackedPairs(known, split) for split in SPLITS}
        self._places = {
            (split, row.name): n for split, pairs in self._pairs.items() for n, row in enumerate(pairs.rows)
        }

    def render(self, photograph: Pixels, made: Mapping[str, Any]) -> tuple[Pixels, Pixels]:
        """Render a sample from its recipe (`derain.data.draws`): (rainy, clean), each (H, W, 3) uint8. photograph: the
        whole one.

        Raises UserError if the dataset has no such pair.
        """
        layer = made["layer"]
        number = self._places.get((layer["split"], layer["name"]))
        pairs = self._pairs[layer["split"]]
        if number is None or pairs_digest([pairs.rows[number]]) != layer["pair"]:
            raise UserError(
                f"{shown(layer['name'])}: this pair, whose rain is used, changed since the run began; run again"
            )
        rainy, background = pairs[number]
        assert background is not None  # derain.data.draws draws no other pair
        clean = boxed(photograph, made["box"])
        return add_layer(clean, rainy, background, layer["corner"]), clean
