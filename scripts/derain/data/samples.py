"""Samples: the pairs of a dataset before packing, and the manifest that lists them."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from derain.files.rows import write_rows

SPLITS = ("train", "validation", "test")
# Splits by use; each use has a store of its own.
USES = {"training": ("train", "validation"), "test": ("test",)}
WHOLE, LEFT, RIGHT = "", "left", "right"

# A file and the part of it that shows the picture: WHOLE, LEFT or RIGHT.
Picture = tuple[str, str]


@dataclass(frozen=True)
class Sample:
    """One pair; a row of the manifest.

    split: train, validation or test
    scene: name of the clean background, equal for all pairs that show it
    name: unique in the dataset
    rainy, clean: files below the dataset's root; rainy is empty for rendered rain, clean is empty for real rain
    half: the clean half ("left", "right") if one file holds both images side by side, else empty
    recipe: JSON of how rain is rendered on `clean`, and digests of that code; empty if rain is not rendered
    height, width: pixels, upright
    rainy_sha256, clean_sha256: of the decoded pixels of the files (for rendered rain: of the whole photograph)
    """

    split: str
    scene: str
    name: str
    rainy: str
    clean: str
    half: str = ""
    recipe: str = ""
    height: int = 0
    width: int = 0
    rainy_sha256: str = ""
    clean_sha256: str = ""

    @property
    def rainy_picture(self) -> Picture | None:
        """Where the rainy image is; None for rendered rain."""
        return (self.rainy, {LEFT: RIGHT, RIGHT: LEFT}.get(self.half, WHOLE)) if self.rainy else None

    @property
    def clean_picture(self) -> Picture | None:
        """Where the clean image is; None for real rain."""
        return (self.clean, self.half) if self.clean else None

    @property
    def pictures(self) -> list[Picture]:
        """The rainy and the clean picture, without missing ones."""
        return [picture for picture in (self.rainy_picture, self.clean_picture) if picture]


def write_manifest(path: Path, samples: Iterable[Sample]) -> None:
    """Write the samples as CSV. The table has no times and no absolute paths, so equal data give equal bytes."""
    write_rows(path, [field.name for field in fields(Sample)], (vars(sample) for sample in samples))


def read_manifest(path: Path) -> list[Sample]:
    """Read the samples that `write_manifest` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Sample(**{**row, "height": int(row["height"]), "width": int(row["width"])})  # type: ignore[arg-type]  # others are text
            for row in csv.DictReader(file)
        ]
