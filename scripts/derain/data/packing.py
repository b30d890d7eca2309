"""Building the store of a dataset: decoded in parallel, each pair written into its place, whole or not at all."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np
from derain.data.images import Pixels, read_rgb
from derain.data.parallel import in_parallel
from derain.data.rendered import render
from derain.data.samples import Sample
from derain.data.store import Row, pair_digest
from derain.data.tables import write_rows
from derain.errors import UserError


def pack(samples: Sequence[Sample], root: Path, pixels: Path, table: Path, workers: int) -> None:
    """Decode the samples of a manifest into `pixels`, and list them in `table`.

    Memory: `workers` pairs at a time. What is written before the end bears other names, so that an interrupted run
    leaves nothing to be taken for a store. Raises UserError where a file is no longer what the manifest says, or
    where the disk is too small.
    """
    sizes = [3 * s.height * s.width * (2 if s.clean else 1) for s in samples]
    starts = [0, *accumulate(sizes)]
    free = shutil.disk_usage(pixels.parent).free
    if starts[-1] > free:
        need = f"{pixels} needs {starts[-1] / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
        raise UserError(f"{need}; `pack: false` trains straight from the files of a dataset")
    unfinished = pixels.with_name(f"{pixels.name}.partial")
    table.unlink(missing_ok=True)
    try:
        with unfinished.open("wb") as file:
            file.truncate(starts[-1])
            put = partial(_put, root, file.fileno())
            places = list(zip(samples, starts, strict=False))
            digests = list(in_parallel(put, places, workers, f"packing {pixels.parent.name}"))
            os.fsync(file.fileno())
        unfinished.replace(pixels)
    finally:
        unfinished.unlink(missing_ok=True)
    rows = [_row(s, start, digest) for s, start, digest in zip(samples, starts, digests, strict=False)]
    _write_table(table, rows)


def list_only(samples: Sequence[Sample], root: Path, pixels: Path, table: Path) -> None:
    """The store of a dataset that is not packed: no pixels, and a table that says where the files are."""
    pixels.write_bytes(b"")
    rows = [
        replace(
            _row(s, -1, pair_digest(s.rainy_sha256, s.clean_sha256)),
            rainy_file=str((root / s.rainy).absolute()),
            clean_file=str((root / s.clean).absolute()) if s.clean else "",
            half=s.half,
        )
        for s in samples
    ]
    _write_table(table, rows)


def _put(root: Path, file: int, place: tuple[Sample, int]) -> str:
    """Decode one pair and write it at its offset; digest of its pixels."""
    sample, offset = place
    rainy, clean = _load(root, sample)
    images = [np.ascontiguousarray(image).data for image in (rainy, clean) if image is not None]
    digests = [hashlib.sha256(image).hexdigest() for image in images]
    if not sample.recipe and digests != [digest for digest in (sample.rainy_sha256, sample.clean_sha256) if digest]:
        raise UserError(f"{root / sample.rainy}: it or its partner changed since it was checked; run again")
    for image in images:
        offset += os.pwrite(file, image, offset)
    return pair_digest(digests[0], digests[1] if clean is not None else "")


def _load(root: Path, sample: Sample) -> tuple[Pixels, Pixels | None]:
    """(rainy, clean), each (H, W, 3) uint8; clean is None for real rain."""
    if sample.recipe:
        return render(root / sample.clean, sample.recipe)
    rainy, *clean = (read_rgb(root / file, part) for file, part in sample.pictures)
    return rainy, clean[0] if clean else None


def _row(s: Sample, offset: int, digest: str) -> Row:
    return Row(s.split, s.scene, s.name, s.height, s.width, bool(s.clean), offset, digest)


def _write_table(table: Path, rows: Sequence[Row]) -> None:
    write_rows(table, [field.name for field in fields(Row)], (asdict(row) for row in rows))
