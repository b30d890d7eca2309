"""Pictures of the page: selected test images, rainy, restored by every method, and clean.

One image of each dataset is also shown stage by stage. All pictures share a budget of bytes, so that the page stays
small with many datasets.
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
RAINY, CLEAN, RESTORED = "rainy", "clean", "restored"  # roles of pictures
BUDGET = 6_000_000  # bytes of all pictures together, as encoded for the page
SIDES = (384, 256, 192, 128, 96, 64)  # pixels; the page takes the largest that keeps to the budget
STAGES = 6  # at most, for an image that is shown stage by stage


@dataclass(frozen=True)
class Output:
    """Outputs of one stage for the page.

    caption: names the network for people; run: its name and its method, as in the verdict; order: as in the tables, or
    None for every order; learned: the stage's last dataset; final: whether it is the last of the order; previews: the
    file of each preview, by "dataset/number"; psnr: PSNR on Y in dB of the outputs, by (dataset, image).
    """

    caption: str
    run: tuple[str, str]
    order: str | None
    learned: str
    final: bool
    previews: Mapping[str, str | Path]
    psnr: Mapping[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """An image of the page.

    caption: text for people, which may be the same for several pictures; load: returns its pixels; role: RAINY, CLEAN
    or RESTORED; run, order: of a restored one, as in `Output`; psnr_y_db: PSNR on Y in dB, None without a clean image;
    data_uri: the encoded picture, empty before `encoded`.
    """

    caption: str
    load: Callable[[], Pixels]
    role: str = RESTORED
    run: tuple[str, str] = ("", "")
    order: str | None = None
    psnr_y_db: float | None = None
    data_uri: str = ""


@dataclass(frozen=True)
class Card:
    """Pictures of one test image: rainy, final outputs, clean. stages: (caption, order, pictures stage by stage)."""

    dataset: str
    image: str
    rank: str
    pictures: Sequence[Picture]
    stages: Sequence[tuple[str, str | None, Sequence[Picture]]] = ()
    supervised: bool = True


def previews_in(files: Iterable[str | Path]) -> dict[str, str | Path]:
    """Return the file of each preview, by "dataset/number"."""
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
    """Yield a card for each selected test image.

    datasets: test pairs by name; rainy: PSNR on Y in dB of the rainy inputs by (dataset, image); previews: number of
    images of each dataset.
    """
    for dataset, pairs in datasets.items():
        names = [row.name for row in pairs.rows]
        numbers = chosen(names, {name: rainy[dataset, name] for name in names if (dataset, name) in rainy}, previews)
        for place, number in enumerate(numbers):
            input_, clean = pairs[number]
            key = (dataset, names[number])
            file = f"{dataset}/{number}"

            def shown(output: Output, caption: str, key: tuple[str, str] = key, file: str = file) -> Picture:
                load = partial(_read, output.previews[file], file)
                return Picture(caption, load, RESTORED, output.run, output.order, output.psnr.get(key))

            here = [output for output in outputs if file in output.previews]
            pictures = [Picture(RAINY, partial(crop, input_), RAINY, psnr_y_db=rainy.get(key))]
            pictures += [shown(output, output.caption) for output in here if output.final]
            if clean is not None:
                pictures.append(Picture(CLEAN, partial(crop, clean), CLEAN))
            along = place == (len(numbers) - 1) // 2
            stages = list(_through_stages(here, shown)) if along else []
            yield Card(*key, _rank(place, len(numbers), clean is not None), pictures, stages, clean is not None)


def _rank(place: int, count: int, supervised: bool) -> str:
    """Return the rank of an image among the selected ones of its dataset, by PSNR of the rainy input, as text."""
    if not supervised:
        return "real rain"
    if count == 1 or (count % 2 and place == count // 2):
        return "median rainy input"
    rank = {0: "worst", count - 1: "best"}.get(place)
    return f"{rank} rainy input" if rank else f"rainy input {place + 1} of {count}, from the worst to the best"


def _through_stages(
    outputs: Sequence[Output], shown: Callable[[Output, str], Picture]
) -> Iterator[tuple[str, str | None, list[Picture]]]:
    for run, order in dict.fromkeys((output.run, output.order) for output in outputs):
        along = [output for output in outputs if (output.run, output.order) == (run, order)]
        if len(along) > 1:
            spread = sorted({int(n) for n in np.linspace(0, len(along) - 1, min(STAGES, len(along)))})
            yield along[0].caption, order, [shown(along[n], f"after {along[n].learned}") for n in spread]


def encoded(found: Iterable[Card], budget: int = BUDGET) -> tuple[list[Card], int]:
    """Return the cards with all pictures encoded, and the number of cards left out.

    Pictures are cropped to the largest of SIDES at which they fit into the budget (bytes). Cards that exceed it even at
    the smallest side are left out. Equal pictures (all methods share the first stage) count once and share one text.
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

    stages = [(caption, order, [with_uri(p) for p in along]) for caption, order, along in card.stages]
    return replace(card, pictures=[with_uri(picture) for picture in card.pictures], stages=stages)


def _data_uri(pixels: Pixels) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=90, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
