"""Packing of a dataset's store: pairs are decoded in parallel and written to their offsets in one file, atomically."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import numpy as np
from derain.data.images import Pixels, pixels_digest, read_rgb
from derain.data.layers import Layers
from derain.data.parallel import in_parallel
from derain.data.rendering import render_pair
from derain.data.samples import WHOLE, Picture, Sample
from derain.data.store import NOWHERE, Row, Store, images_digest, pair_digest
from derain.errors import UserError, shown
from derain.files.atomic import replacing
from derain.files.rows import write_rows


@dataclass(frozen=True)
class Place:
    """Where the images of a sample are written: offsets in bytes. writes_clean: whether this sample writes its clean
    image, true for the first of the samples that share it.
    """

    sample: Sample
    offset: int
    clean_offset: int = NOWHERE
    writes_clean: bool = False


def pack(
    samples: Sequence[Sample], root: Path, pixels: Path, table: Path, workers: int, layers: Sequence[Store] = ()
) -> None:
    """Decode the samples of a manifest into `pixels`, and list them in `table`.

    layers: stores of the dataset whose rain layers the samples take.

    Memory: `workers` pairs at a time. Pixels are written under a temporary name and the table last, so an interrupted
    run leaves no file that looks like a store. Raises UserError if a file changed since the manifest was written, or if
    the disk is too small, and OSError with the file name if writing fails.
    """
    places, size = _places(samples)
    free = shutil.disk_usage(pixels.parent).free
    if size > free:
        need = f"{pixels} needs {size / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
        raise UserError(f"{need}; `pack: false` trains straight from the files of a dataset")
    table.unlink(missing_ok=True)
    with replacing(pixels) as unfinished, unfinished.open("xb") as file:
        file.truncate(size)
        put = partial(_put, root, file.fileno(), Layers(layers))
        digests = list(in_parallel(put, places, workers, f"packing {'/'.join(pixels.parts[-3:-1])}"))
        os.fsync(file.fileno())
    _write_table(table, [_row(place, digest) for place, digest in zip(places, digests, strict=True)])


def _places(samples: Sequence[Sample]) -> tuple[list[Place], int]:
    """The places of all samples, one after another, and their total bytes. A shared clean image is stored once."""
    places, end = [], 0
    shared: dict[Picture, int] = {}
    for sample in samples:
        size = 3 * sample.height * sample.width
        offset, end = end, end + size
        if sample.clean_picture is None:
            places.append(Place(sample, offset))
        elif not sample.recipe and sample.clean_picture in shared:
            places.append(Place(sample, offset, shared[sample.clean_picture]))
        else:
            shared[sample.clean_picture] = end
            places.append(Place(sample, offset, end, writes_clean=True))
            end += size
    return places, end


def list_only(samples: Sequence[Sample], root: Path, pixels: Path, table: Path) -> None:
    """Write the store of a dataset with `pack: false`: an empty pixel file, and a table with the paths of images."""
    pixels.write_bytes(b"")
    rows = [
        replace(
            _row(Place(s, NOWHERE), pair_digest(s.rainy_sha256, s.clean_sha256)),
            rainy_file=str((root / s.rainy).absolute()),
            clean_file=str((root / s.clean).absolute()) if s.clean else "",
            half=s.half,
        )
        for s in samples
    ]
    _write_table(table, rows)


def _put(root: Path, file: int, layers: Layers, place: Place) -> str:
    """Decode the images of a sample and write them to the open file; returns the digest of the pair's pixels.

    Raises UserError if an image changed since the manifest was written.
    """
    sample = place.sample
    if sample.recipe:
        rainy, clean = render_pair(_read(root, (sample.clean, WHOLE), sample.clean_sha256), sample.recipe, layers)
        _write(file, rainy, place.offset)
        _write(file, clean, place.clean_offset)
        return images_digest(rainy, clean)
    if sample.rainy_picture:
        _write(file, _read(root, sample.rainy_picture, sample.rainy_sha256), place.offset)
    if sample.clean_picture and place.writes_clean:
        _write(file, _read(root, sample.clean_picture, sample.clean_sha256), place.clean_offset)
    return pair_digest(sample.rainy_sha256, sample.clean_sha256)


def _read(root: Path, picture: Picture, sha256: str) -> Pixels:
    """Decode a picture. Raises UserError if its pixels do not have this digest."""
    pixels = read_rgb(root / picture[0], picture[1])
    if pixels_digest(pixels) != sha256:
        raise UserError(f"{shown(str(root / picture[0]))}: changed since it was checked; run again")
    return pixels


def _write(file: int, image: Pixels, offset: int) -> None:
    rest = np.ascontiguousarray(image).data.cast("B")
    while rest:  # a call may write less, as on a disk that is nearly full
        written = os.pwrite(file, rest, offset)
        rest, offset = rest[written:], offset + written


def _row(place: Place, digest: str) -> Row:
    s = place.sample
    return Row(
        split=s.split,
        scene=s.scene,
        name=s.name,
        height=s.height,
        width=s.width,
        clean=bool(s.clean),
        offset=place.offset,
        clean_offset=place.clean_offset,
        sha256=digest,
        recipe=s.recipe,
        rainy_sha256=s.rainy_sha256,
        clean_sha256=s.clean_sha256,
    )


def _write_table(table: Path, rows: Sequence[Row]) -> None:
    write_rows(table, [field.name for field in fields(Row)], (vars(row) for row in rows))
