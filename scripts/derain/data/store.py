"""The packed store of a dataset: every pair decoded once, so that training cuts patches without decoding images.

`pixels.bin` holds 8-bit RGB pixels, image after image, each (H, W, 3) row by row, a pair's rainy image before its
clean one. `pairs.csv` has a row a pair:

    split     train, validation or test
    scene     what pairs of one clean background share; splits never divide a scene
    name      of the pair, unique in its dataset
    height, width   pixels
    clean     whether there is a clean image (real rain has none)
    offset    of the rainy image in pixels.bin, bytes
    sha256    of the pair's pixels
"""

import csv
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from derain.data.samples import Sample
from numpy.typing import NDArray

Image = NDArray[np.uint8]


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
    sha256: str


def pack(samples: Iterable[Sample], pixels: Path, table: Path) -> None:
    """Write the store of a dataset; one image pair in memory at a time."""
    rows = []
    with pixels.open("wb") as file:
        for sample in samples:
            rainy, clean = sample.load()
            content = rainy.tobytes() + (b"" if clean is None else clean.tobytes())
            height, width = rainy.shape[:2]
            digest = hashlib.sha256(content).hexdigest()
            rows.append(
                Row(sample.split, sample.scene, sample.name, height, width, clean is not None, file.tell(), digest)
            )
            file.write(content)
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def read_table(table: Path) -> list[Row]:
    """All rows of pairs.csv."""
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
                sha256=row["sha256"],
            )
            for row in csv.DictReader(file)
        ]


class PackedPairs:
    """The pairs of one split of one store or more, mapped, not read: (rainy, clean), each (H, W, 3) uint8.

    stores: (pairs.csv, pixels.bin) of each dataset.
    """

    def __init__(self, stores: Iterable[tuple[str | Path, str | Path]], split: str) -> None:
        self.rows: list[Row] = []
        self._mapped: list[Image] = []
        for table, pixels in stores:
            rows = [row for row in read_table(Path(table)) if row.split == split]
            self.rows += rows
            self._mapped += [np.memmap(pixels, dtype=np.uint8, mode="r")] * len(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[Image, Image | None]]:
        return (self[n] for n in range(len(self)))

    def __getitem__(self, index: int) -> tuple[Image, Image | None]:
        row, mapped = self.rows[index], self._mapped[index]
        size = row.height * row.width * 3
        shape = (row.height, row.width, 3)
        rainy = mapped[row.offset : row.offset + size].reshape(shape)
        clean = mapped[row.offset + size : row.offset + 2 * size].reshape(shape) if row.clean else None
        return rainy, clean

    @property
    def digest(self) -> str:
        """sha256 of all that a user of this split sees: names and pixels, in order."""
        seen = "\n".join(f"{row.name} {row.height} {row.width} {row.sha256}" for row in self.rows)
        return hashlib.sha256(seen.encode()).hexdigest()
