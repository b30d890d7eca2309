"""The pairs of a dataset as its layout describes them, before they are packed, and the manifest that lists them."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from derain.files.rows import write_rows

SPLITS = ("train", "validation", "test")
# What pairs are for; each use has a store of its own.
USES = {"training": ("train", "validation"), "test": ("test",)}
WHOLE, LEFT, RIGHT = "", "left", "right"

# A file, and which part of it a picture takes up: WHOLE, LEFT or RIGHT.
Picture = tuple[str, str]


@dataclass(frozen=True)
class Sample:
    """One pair; a row of the manifest.

    split: train, validation or test
    scene: what pairs of one clean background share
    name: unique in the dataset
    rainy, clean: files below the dataset's root; rainy is empty where rain is rendered, clean for real rain
    half: where both stand side by side in one file, the half that is clean ("left", "right"), else empty
    recipe: how, and by which code, rain is rendered on `clean` (JSON), else empty
    height, width: pixels, upright
    rainy_sha256, clean_sha256: of the decoded pixels of the files (of the whole photograph where rain is rendered)
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
        """Where the rainy image is; None where rain is rendered."""
        return (self.rainy, {LEFT: RIGHT, RIGHT: LEFT}.get(self.half, WHOLE)) if self.rainy else None

    @property
    def clean_picture(self) -> Picture | None:
        """Where the clean image is; None for real rain."""
        return (self.clean, self.half) if self.clean else None

    @property
    def pictures(self) -> list[Picture]:
        """Those of the two that there are."""
        return [picture for picture in (self.rainy_picture, self.clean_picture) if picture]


def write_manifest(path: Path, samples: Iterable[Sample]) -> None:
    """Write the samples as CSV. It holds no times and no folder outside the root: equal data are equal bytes."""
    write_rows(path, [field.name for field in fields(Sample)], (vars(sample) for sample in samples))


def read_manifest(path: Path) -> list[Sample]:
    """The samples that `write_manifest` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Sample(**{**row, "height": int(row["height"]), "width": int(row["width"])})  # type: ignore[arg-type]
            for row in csv.DictReader(file)
        ]
