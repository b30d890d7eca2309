"""A page of photographs before and after, with a slider for each, and their side-by-side pictures."""

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from derain.errors import shown
from derain.files.atomic import write_whole
from derain.report.assets import policy, templates, text_of

Pixels = NDArray[np.uint8]
PAGE = "index.html"
SIDE = 1024  # pixels; longest side of each half of a side-by-side picture
START = 'for (const card of document.querySelectorAll(".card")) slide(card);\n'


class Comparison(NamedTuple):
    """A photograph on the page. name: for people; size: of the photograph, (width, height) in pixels; link: to its
    side-by-side picture; width, height: of one half of that, which may be smaller.
    """

    name: str
    size: tuple[int, int]
    link: str
    width: int
    height: int


def write_comparison(photographs: Iterable[tuple[str, Pixels, Pixels]], folder: Path) -> Path:
    """Write PAGE and a side-by-side picture of each photograph into a folder; return the page.

    photographs: (name, rainy, restored), the name that of a file, with its subfolders; the pixels (H, W, 3) uint8, of
    equal shapes. Raises OSError.
    """
    pictures = []
    for name, rainy, restored in photographs:
        halves = [_small(pixels) for pixels in (rainy, restored)]
        width, height = halves[0].size
        both = Image.new("RGB", (2 * width, height))
        for n, half in enumerate(halves):
            both.paste(half, (n * width, 0))
        file = side_by_side(name)
        pictures.append(Comparison(shown(name), rainy.shape[1::-1], quote(os.fsencode(file)), width, height))
        encoded = io.BytesIO()
        both.save(encoded, "JPEG", quality=90)
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / file, encoded.getvalue())
    script = text_of("slider.js") + START
    text = (
        templates()
        .get_template("comparison.html.j2")
        .render(
            pictures=pictures,
            policy=policy([script], images="'self' file:"),
            style=text_of("page.css"),
            script=script,
            side=SIDE,
        )
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / PAGE, text.encode())
    return folder / PAGE


def side_by_side(name: str) -> str:
    """The side-by-side picture of a photograph, in the folder of the page."""
    return f"{name}.jpg"


def _small(pixels: Pixels) -> Image.Image:
    """The picture, at most SIDE pixels long."""
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return image
