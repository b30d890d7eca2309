"""A contact sheet of a dataset: some pairs of each split in one picture, rainy and clean side by side."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from derain.data.store import PackedPairs
from derain.evaluation.previews import crop

PAIRS, COLUMNS = 12, 4
SIDE, LINE, GAP = 192, 16, 8  # of a picture, of a name, between pairs; pixels
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
QUALITIES, LIMIT = (85, 70, 50), 1_000_000  # of JPEG: the best that fits into so many bytes; pure noise needs 50


def contact_sheet(splits: Mapping[str, PackedPairs]) -> bytes:
    """JPEG of up to PAIRS pairs: each split has the same number, evenly spread over its pairs, and names above.

    splits: pairs by split. Pictures are the centres of the images, at their full resolution, at most SIDE × SIDE
    pixels. Images without a clean partner stand alone. Equal pairs and versions of Pillow give equal bytes.
    """
    shown = _chosen({split: len(pairs) for split, pairs in splits.items()})
    width, height = 2 * SIDE + GAP, SIDE + LINE + GAP
    rows = -(-len(shown) // COLUMNS)
    sheet = Image.new("RGB", (min(COLUMNS, len(shown)) * width - GAP, rows * height - GAP), WHITE)
    draw = ImageDraw.Draw(sheet)
    font: Any = ImageFont.load_default(11)
    for place, (split, number) in enumerate(shown):
        left, top = place % COLUMNS * width, place // COLUMNS * height
        draw.text((left, top), _label(split, splits[split].rows[number].name, font), BLACK, font)
        for image in splits[split][number]:
            if image is not None:
                picture = Image.fromarray(np.ascontiguousarray(crop(image, SIDE)))
                sheet.paste(picture, (left, top + LINE))
                left += picture.width
    return next(found for quality in QUALITIES if len(found := _jpeg(sheet, quality)) <= LIMIT)


def _jpeg(sheet: Image.Image, quality: int) -> bytes:
    encoded = io.BytesIO()
    sheet.save(encoded, "JPEG", quality=quality, subsampling=0)  # 4:4:4, because streaks are thin
    return encoded.getvalue()


def _chosen(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """(split, index) of the pairs to show."""
    filled = {split: count for split, count in counts.items() if count}
    share = PAIRS // max(1, len(filled))
    return [
        (split, number)
        for split, count in filled.items()
        for number in np.linspace(0, count - 1, min(share, count)).astype(int).tolist()
    ]


def _label(split: str, name: str, font: Any) -> str:
    """Split and name, in letters that the font has. A name too wide for the pair loses its beginning."""
    name = name.encode("ascii", "backslashreplace").decode()
    labels = (f"{split}: {'…' if start else ''}{name[start:]}" for start in range(len(name) + 1))
    return next(label for label in labels if font.getlength(label) <= 2 * SIDE)
