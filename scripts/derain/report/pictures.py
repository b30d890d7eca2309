"""The pictures of the page: chosen test images as rainy, restored by every method, and clean; one of each dataset
through the stages. They share a budget of bytes, so that twenty datasets fit into a page as well as three.
"""

import base64
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from derain.data.store import PackedPairs
from derain.evaluation.previews import chosen, crop

Pixels = NDArray[np.uint8]
RAINY, CLEAN = "rainy", "clean"
BUDGET = 6_000_000  # bytes of all pictures together, encoded for the page
SIDES = (384, 256, 192, 128, 96, 64)  # pixels
STAGES = 6  # through which an image is followed


@dataclass(frozen=True)
class Output:
    """What the page shows of one stage: by which method, in which order (as in tables; None: in every one), after which
    dataset; whether that is the order's last; the file of each preview, by "dataset/number"; PSNR on Y of its outputs
    by (dataset, image), in dB.
    """

    method: str
    order: str | None
    learned: str
    final: bool
    previews: Mapping[str, str | Path]
    psnr: Mapping[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """An image of the page: what it shows, how it is read, its PSNR on Y in dB (None without a clean image), its order
    (None: of every one), and what it is inside the page, once encoded.
    """

    caption: str
    load: Callable[[], Pixels]
    psnr_y_db: float | None = None
    order: str | None = None
    data_uri: str = ""


@dataclass(frozen=True)
class Card:
    """One test image: rainy, each method's final output, clean; and by method and order, through the stages."""

    dataset: str
    image: str
    rank: str
    pictures: Sequence[Picture]
    stages: Sequence[tuple[str, str | None, Sequence[Picture]]] = ()
    supervised: bool = True


def previews_in(files: Iterable[str | Path]) -> dict[str, str | Path]:
    """The file of each preview, by "dataset/number"."""
    found: dict[str, str | Path] = {}
    for file in files:
        with np.load(file) as archive:
            found |= dict.fromkeys(archive.files, file)
    return found


def _read(file: str | Path, key: str) -> Pixels:
    with np.load(file) as archive:
        pixels: Pixels = archive[key]
        return pixels


def cards(
    datasets: Mapping[str, PackedPairs],
    rainy: Mapping[tuple[str, str], float],
    outputs: Sequence[Output],
    previews: int,
) -> Iterator[Card]:
    """datasets: test pairs by name; rainy: PSNR on Y of the rainy inputs by (dataset, image), in dB."""
    for dataset, pairs in datasets.items():
        names = [row.name for row in pairs.rows]
        numbers = chosen(names, {name: rainy[dataset, name] for name in names if (dataset, name) in rainy}, previews)
        for place, number in enumerate(numbers):
            input_, clean = pairs[number]
            key = (dataset, names[number])
            file = f"{dataset}/{number}"

            def shown(output: Output, caption: str, key: tuple[str, str] = key, file: str = file) -> Picture:
                return Picture(caption, partial(_read, output.previews[file], file), output.psnr.get(key), output.order)

            here = [output for output in outputs if file in output.previews]
            pictures = [Picture(RAINY, partial(crop, input_), rainy.get(key))]
            pictures += [shown(output, output.method) for output in here if output.final]
            if clean is not None:
                pictures.append(Picture(CLEAN, partial(crop, clean)))
            along = place == (len(numbers) - 1) // 2
            stages = list(_through_stages(here, shown)) if along else []
            yield Card(*key, _rank(place, len(numbers), clean is not None), pictures, stages, clean is not None)


def _rank(place: int, count: int, supervised: bool) -> str:
    """Where an image stands among its dataset's, by the PSNR of the rainy input."""
    if not supervised:
        return "real rain"
    if count == 1 or (count % 2 and place == count // 2):
        return "median"
    return {0: "worst", count - 1: "best"}.get(place, f"{place + 1} of {count}")


def _through_stages(
    outputs: Sequence[Output], shown: Callable[[Output, str], Picture]
) -> Iterator[tuple[str, str | None, list[Picture]]]:
    for method, order in dict.fromkeys((output.method, output.order) for output in outputs):
        along = [output for output in outputs if (output.method, output.order) == (method, order)]
        if len(along) > 1:
            spread = sorted({int(n) for n in np.linspace(0, len(along) - 1, min(STAGES, len(along)))})
            yield method, order, [shown(along[n], f"after {along[n].learned}") for n in spread]


def encoded(found: Iterable[Card], budget: int = BUDGET) -> tuple[list[Card], int]:
    """The cards with every picture encoded, cropped to the largest of SIDES at which all together keep to the budget;
    and how many cards are left out, because at the smallest they still do not.

    Equal pictures (a first stage is that of all methods) count once, and have one text.
    """
    all_cards = list(found)
    for side in SIDES:
        texts: dict[bytes, str] = {}
        fitting = []
        for card in all_cards:
            before = len(texts)
            small = _encode(card, side, texts)
            if sum(map(len, texts.values())) <= budget:
                fitting.append(small)
            elif side != SIDES[-1]:
                break
            else:
                texts = dict(list(texts.items())[:before])
        else:
            break
    return fitting, len(all_cards) - len(fitting)


def _encode(card: Card, side: int, texts: dict[bytes, str]) -> Card:
    def with_uri(picture: Picture) -> Picture:
        pixels = np.ascontiguousarray(crop(picture.load(), side))
        key = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).digest()
        if key not in texts:
            texts[key] = _data_uri(pixels)
        return replace(picture, data_uri=texts[key])

    stages = [(method, order, [with_uri(p) for p in along]) for method, order, along in card.stages]
    return replace(card, pictures=[with_uri(picture) for picture in card.pictures], stages=stages)


def _data_uri(pixels: Pixels) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=90, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
