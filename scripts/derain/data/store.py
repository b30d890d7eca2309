"""The store of a dataset: the decoded pairs for one use (training or test), so that readers decode no images.

`pixels.bin` holds 8-bit RGB pixels, image after image, each (H, W, 3) row by row. A clean image that several pairs
share is stored once. `pairs.csv` has one row per pair:

    split     train, validation or test
    scene     name of the clean background; splits never divide a scene
    name      of the pair, unique in its dataset
    height, width   pixels
    clean     whether there is a clean image (real rain has none)
    offset, clean_offset    of the two images in pixels.bin, bytes; clean_offset is NOWHERE without a clean image; both
              are NOWHERE if the dataset is not packed
    sha256    of the pair: hash of the digests of its two images
    rainy_file, clean_file, half    only if not packed: absolute paths, and the clean half of one file (see samples.py)
    recipe, rainy_sha256, clean_sha256    as in the manifest (see samples.py), for `pairs_digest`

Readers verify the store: the digest of a use's rows must be the one in the job's recipe, and the pixels of each pair
are hashed when they are read.
"""

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from derain.data.images import Pixels, pixels_digest, read_rgb
from derain.data.samples import SPLITS, Sample
from derain.errors import UserError, shown
from derain.files.scratch import local_copy

Image = Pixels
NOWHERE = -1


@dataclass(frozen=True)
class Row:
    """One row of pairs.csv."""

    split: str
    scene: str
    name: str
    height: int
    width: int
    clean: bool
    offset: int
    clean_offset: int
    sha256: str
    rainy_file: str = ""
    clean_file: str = ""
    half: str = ""
    recipe: str = ""
    rainy_sha256: str = ""
    clean_sha256: str = ""


# pairs.csv, pixels.bin, and the expected digest of the pairs; None skips that check
Store = tuple[str | Path, str | Path, str | None]


def near(stores: Iterable[Store], scratch: str | None, log: str | None) -> list[Store]:
    """The same stores, with the pixels of copies on this node (derain.files.scratch); pairs.csv stays the shared one.

    scratch: folder of the copies, None for no copies; log: of the job. A store without packed pixels stays as it is.
    """
    return [store if scratch is None else _near(store, scratch, log) for store in stores]


def _near(store: Store, scratch: str, log: str | None) -> Store:
    table, pixels, digest = Path(store[0]), Path(store[1]), store[2]
    if not (table.is_file() and pixels.is_file() and pixels.stat().st_size):
        return store

    def check(copy: Path) -> None:
        for split in SPLITS:
            for _ in PackedPairs([(table, copy, digest)], split):
                pass  # reading a pair compares its digest

    return table, local_copy(pixels, hashlib.sha256(table.read_bytes()).hexdigest(), scratch, check, log), digest


def pairs_digest(pairs: Iterable[Sample | Row]) -> str:
    """Digest of pairs in their order, used in recipes. It covers names, sizes and pixels, but not the dataset's root.

    For rendered pairs it covers the photograph, the recipe and the digests of the rendering code instead of the pixels.
    """
    rows = [[p.split, p.scene, p.name, p.height, p.width, p.recipe, p.rainy_sha256, p.clean_sha256] for p in pairs]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def pair_digest(rainy_sha256: str, clean_sha256: str) -> str:
    """sha256 of a pair, from the sha256 of the pixels of its two images ("" for a missing one)."""
    return hashlib.sha256(f"{rainy_sha256} {clean_sha256}".encode()).hexdigest()


def images_digest(rainy: Image, clean: Image | None) -> str:
    """sha256 of a pair, from the pixels of its images."""
    return pair_digest(*("" if image is None else pixels_digest(image) for image in (rainy, clean)))


def read_store(table: Path, digest: str | None) -> list[Row]:
    """All rows of pairs.csv. Raises UserError if they cannot be read or do not have the given digest."""
    try:
        rows = _read(table)
    except (OSError, ValueError, LookupError, TypeError, csv.Error) as error:
        raise _damaged(table, f"cannot be read: {error}") from error
    if digest is not None and pairs_digest(rows) != digest:
        raise _damaged(table, "it does not list the pairs that this run was planned for")
    return rows


def _read(table: Path) -> list[Row]:
    with table.open(newline="", encoding="utf-8") as file:
        return [
            Row(
                split=row["split"],
                scene=row["scene"],
                name=row["name"],
                height=int(row["height"]),
                width=int(row["width"]),
                clean=row["clean"] == "True",
                offset=int(row["offset"]),
                clean_offset=int(row["clean_offset"]),
                sha256=row["sha256"],
                rainy_file=row["rainy_file"],
                clean_file=row["clean_file"],
                half=row["half"],
                recipe=row["recipe"],
                rainy_sha256=row["rainy_sha256"],
                clean_sha256=row["clean_sha256"],
            )
            for row in csv.DictReader(file)
        ]


class PackedPairs:
    """The pairs of one split from one or more stores: `pairs[n]` → (rainy, clean), each (H, W, 3) uint8.

    stores: one for each dataset. Packed pixels are memory-mapped; pairs that are not packed are decoded at each access.
    Raises UserError if rows or pixels do not match their digests: packed pixels are hashed at their first access in a
    process, others at each access.
    """

    def __init__(self, stores: Iterable[Store], split: str) -> None:
        self.rows: list[Row] = []
        self._files: list[str | Path] = []
        self._mapped: dict[str | Path, Image] = {}
        self._checked: set[int] = set()
        for table, pixels, digest in stores:
            rows = [row for row in read_store(Path(table), digest) if row.split == split]
            self.rows += rows
            self._files += [pixels] * len(rows)

    def __getstate__(self) -> dict[str, Any]:
        # A spawned worker maps the files itself, because a pickled memory map is a copy of all its bytes.
        return vars(self) | {"_mapped": {}, "_checked": set()}

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[Image, Image | None]]:
        return (self[n] for n in range(len(self)))

    def __getitem__(self, index: int) -> tuple[Image, Image | None]:
        row, file = self.rows[index], self._files[index]
        if row.offset == NOWHERE:
            return _decoded(row)
        try:
            if file not in self._mapped:
                self._mapped[file] = np.memmap(file, dtype=np.uint8, mode="r")
            rainy, clean = self._cut(row, self._mapped[file])
        except (OSError, ValueError) as error:  # no file, an empty one, one that ends too early
            raise _damaged(Path(file), f"cannot be read: {error}") from error
        if index not in self._checked:
            if images_digest(rainy, clean) != row.sha256:
                raise _damaged(Path(file), f"the pixels of {shown(row.name)} are not those that were packed")
            self._checked.add(index)
        return rainy, clean

    @staticmethod
    def _cut(row: Row, mapped: Image) -> tuple[Image, Image | None]:
        size = row.height * row.width * 3
        shape = (row.height, row.width, 3)
        rainy = mapped[row.offset : row.offset + size].reshape(shape)
        clean = mapped[row.clean_offset : row.clean_offset + size].reshape(shape) if row.clean else None
        return rainy, clean

    @property
    def digest(self) -> str:
        """sha256 of everything that a reader of this split sees: names, sizes and pixels, in order."""
        seen = "\n".join(f"{row.name} {row.height} {row.width} {row.sha256}" for row in self.rows)
        return hashlib.sha256(seen.encode()).hexdigest()


def _decoded(row: Row) -> tuple[Image, Image | None]:
    sample = Sample(row.split, row.scene, row.name, row.rainy_file, row.clean_file, row.half)
    images = [read_rgb(Path(file), part) for file, part in sample.pictures]
    rainy, clean = images[0], images[1] if row.clean else None
    if images_digest(rainy, clean) != row.sha256:
        raise UserError(f"{shown(row.rainy_file)}: it or its partner changed since it was checked; run again")
    return rainy, clean


def _damaged(file: Path, text: str) -> UserError:
    return UserError(f"{file}: {text}; delete {file.parent} and run again")
