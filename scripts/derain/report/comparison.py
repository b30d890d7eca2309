"""A page of photographs before and after, with a slider for each, and their side-by-side pictures."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageOps

from derain.files.atomic import write_whole
from derain.report.assets import policy, templates, text_of

FOLDER, PAGE = "compare", "index.html"
SIDE = 1024  # pixels; longest side of each half of a side-by-side picture
START = 'for (const card of document.querySelectorAll(".card")) slide(card);\n'


class Comparison(NamedTuple):
    """A photograph on the page. file: of its side-by-side picture, below FOLDER; width, height: of one half."""

    name: str
    file: str
    width: int
    height: int


def write_comparison(photographs: Iterable[tuple[str, Path, Path]], folder: Path) -> Path:
    """Write PAGE and a side-by-side picture of each photograph into folder/FOLDER; return the page.

    photographs: (name, rainy file, restored file); the name is that of a file, with its subfolders. Rainy photographs
    are turned upright, as their outputs are. Raises OSError.
    """
    pictures = []
    for name, rainy, restored in photographs:
        halves = [_small(file) for file in (rainy, restored)]
        width, height = halves[1].size
        both = Image.new("RGB", (2 * width, height))
        for n, half in enumerate(halves):
            both.paste(half.resize((width, height)) if half.size != (width, height) else half, (n * width, 0))
        picture = Comparison(name, f"{name}.jpg", width, height)
        pictures.append(picture)
        encoded = io.BytesIO()
        both.save(encoded, "JPEG", quality=90)
        file = folder / FOLDER / picture.file
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, encoded.getvalue())
    scripts = [text_of("slider.js"), START]
    text = (
        templates()
        .get_template("comparison.html.j2")
        .render(
            pictures=pictures,
            policy=policy(scripts, images="'self' file:"),
            style=text_of("page.css"),
            scripts=scripts,
        )
    )
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    write_whole(folder / FOLDER / PAGE, text.encode())
    return folder / FOLDER / PAGE


def _small(file: Path) -> Image.Image:
    """The photograph, upright, in RGB, at most SIDE pixels long."""
    with Image.open(file) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    upright.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return upright
