"""Which pictures stand on the page: each preview image as rainy, restored by every finished sequence, and clean."""

from collections.abc import Iterator, Mapping, Sequence

from derain.data.store import PackedPairs
from derain.metrics import luma, psnr
from derain.report.page import Picture, Pixels, Row


def picture_rows(
    datasets: Mapping[str, PackedPairs], outputs: Sequence[tuple[str, Mapping[str, Pixels]]], previews: int
) -> Iterator[Row]:
    """datasets: test pairs by name; outputs: (caption, restored images by
    "dataset/number"), in the order of the page.
    """
    for dataset, pairs in datasets.items():
        for n in range(min(previews, len(pairs))):
            rainy, clean = pairs[n]
            shown = [("rainy", rainy)]
            shown += [(caption, images[f"{dataset}/{n}"]) for caption, images in outputs if f"{dataset}/{n}" in images]
            pictures = [Picture(caption, pixels, _psnr(pixels, clean)) for caption, pixels in shown]
            if clean is not None:
                pictures.append(Picture("clean", clean, None))
            yield Row(dataset, pairs.rows[n].name, pictures)


def _psnr(pixels: Pixels, clean: Pixels | None) -> float | None:
    return None if clean is None else psnr(luma(pixels), luma(clean))
