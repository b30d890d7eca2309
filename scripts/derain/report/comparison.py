"""A page of photographs before and after, with a slider for each, and their side-by-side pictures."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from derain.files.atomic import write_whole
from derain.report.assets import policy, templates, text_of

Pixels = NDArray[np.uint8]
FOLDER, PAGE = "compare", "index.html"
SIDE = 1024  # pixels; longest side of each half of a side-by-side picture
START = 'for (const card of document.querySelectorAll(".card")) slide(card);\n'


class Comparison(NamedTuple):
    """A photograph on the page. file: of its side-by-side picture, below FOLDER; width, height: of one half."""

    name: str
    file: str
    width: int
    height: int


def write_comparison(photographs: Iterable[tuple[str, Pixels, Pixels]], folder: Path) -> Path:
    """Write PAGE and a side-by-side picture of each photograph into folder/FOLDER; return the page.

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
        picture = Comparison(name, side_by_side(name), width, height)
        pictures.append(picture)
        encoded = io.BytesIO()
        both.save(encoded, "JPEG", quality=90)
        file = folder / FOLDER / picture.file
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, encoded.getvalue())
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
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    write_whole(folder / FOLDER / PAGE, text.encode())
    return folder / FOLDER / PAGE


def side_by_side(name: str) -> str:
    """The side-by-side picture of a photograph, below FOLDER."""
    return f"{name}.jpg"


def _small(pixels: Pixels) -> Image.Image:
    """The picture, at most SIDE pixels long."""
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return image
