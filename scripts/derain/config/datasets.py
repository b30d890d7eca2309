"""Config sections of datasets: rain rendered on photographs, or image files on disk."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from derain.config.sections import Count, InOrder, IsPath, Number, PathOrHome, Range, Section, Size, SomePath, twice
from derain.data.layouts import LAYOUTS, OWN

# Far longer than any streak on photographs of a few hundred pixels. Memory grows with the square of the length.
Length = Annotated[Number, Field(ge=0, le=2000)]
Brightness = Annotated[Number, Field(ge=0, le=100)]


class RainStreaks(Section):
    """A kind of rain to render. Ranges are drawn from uniformly: angle and length for each image, brightness for each
    streak.
    """

    angle: Range = Field(description="degrees from the vertical")
    length: Annotated[tuple[Length, Length], InOrder] = Field(description="of a streak, pixels")
    width: Number = Field(ge=0.01, le=500, description="of a streak at half its brightness, pixels")
    density: Number = Field(gt=0, lt=1, description="streaks per pixel")
    brightness: Annotated[tuple[Brightness, Brightness], InOrder] = Field(description="what a streak adds, 1 = white")
    blur: Number = Field(default=0.0, ge=0, le=500, description="σ of the Gaussian blur, pixels")


Photograph = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]


class Rendered(Section):
    """Rain rendered on photographs from scikit-image."""

    layout: Literal["rendered"]
    rain: RainStreaks
    seed: Count = 0
    renders: Size = Field(default=4, description="rains on each training photograph")
    tile: Size = Field(default=160, description="side of the validation and test images, pixels")
    tiles: Size = Field(default=3, description="of each validation and test photograph")
    train: tuple[Photograph, ...] = ("motorcycle_left.png", "ihc.png", "rocket.jpg")
    validation: tuple[Photograph, ...] = ("coffee.png",)
    test: tuple[Photograph, ...] = ("astronaut.png", "chelsea.png")

    @model_validator(mode="after")
    def _splits_are_disjoint(self) -> "Rendered":
        if found := twice(self.train + self.validation + self.test):
            raise ValueError(f"{found[0]} stands twice: a photograph belongs to one split")
        return self


class Pairs(Section):
    """Where the pairs of a split are, below the root. Patterns contain {scene}, {rain} and * (derain.data.matching)."""

    rainy: str | None = Field(default=None, description="pattern of rainy images")
    clean: str | None = Field(default=None, description="pattern of clean ones; none for real rain; or left, right")
    side_by_side: str | None = Field(default=None, description="pattern of images that hold both; `clean` is a half")
    list: Annotated[str, IsPath] | None = Field(
        default=None, description="a list of pairs: text, two paths a line; or CSV"
    )

    @model_validator(mode="after")
    def _are_found(self) -> "Pairs":
        if sum(place is not None for place in (self.rainy, self.side_by_side, self.list)) != 1:
            raise ValueError("needs one of rainy, side_by_side and list")
        if self.side_by_side and self.clean not in ("left", "right"):
            raise ValueError("side_by_side needs clean: left or right, the half that is clean")
        if self.list and self.clean:
            raise ValueError("a list names the clean images itself")
        for pattern in (self.rainy, self.side_by_side, self.clean if self.rainy else None):
            if pattern is not None:
                _check_pattern(pattern)
        return self

    @property
    def supervised(self) -> bool:
        """Whether the pairs have clean images."""
        return bool(self.clean or self.list)


def _check_pattern(pattern: str) -> None:
    if pattern.count("{scene}") != 1 or pattern.count("{rain}") > 1:
        raise ValueError(f"the pattern {pattern!r} must hold {{scene}} once, and {{rain}} at most once")
    if pattern.startswith("/") or ".." in pattern.split("/") or "**" in pattern:
        raise ValueError(f"the pattern {pattern!r} must be a path below the root, without '..' and '**'")


# The layouts of derain.data.layouts; docs/datasets.md shows their folder trees.
LayoutName = Literal[
    "folders",
    "rain100l-old",
    "rain100h-old",
    "rain100l-new",
    "rain100h-new",
    "rain12",
    "rain800",
    "rain1200",
    "rain1400",
    "spa-data",
    "rainds",
    "raincityscapes",
    "outdoor-rain",
    "rain13k",
    "input-target",
    "rain-norain",
    "csv",
    "side-by-side",
    "real",
]


class Folders(Section):
    """Images on disk, in a named layout, or in the places given by train, validation and test."""

    layout: LayoutName
    root: PathOrHome
    train: Pairs | None = Field(default=None, description="instead of the layout's")
    validation: Pairs | None = Field(default=None, description="where the layout has none, scenes are held out")
    test: Pairs | None = Field(default=None, description="instead of the layout's")
    clean: Literal["left", "right"] | None = Field(default=None, description="clean half of side-by-side images")
    validation_share: Number = Field(default=0.1, gt=0, lt=1, description="of the training scenes, held out")
    validation_list: SomePath | None = Field(default=None, description="file of scenes to hold out, instead of a share")
    test_share: Number = Field(default=0, ge=0, lt=1, description="of the training scenes, for a test split")
    test_list: SomePath | None = Field(default=None, description="file of scenes for the test split")
    seed: Count = Field(default=0, description="of the draws")
    exclude: tuple[str, ...] = Field(default=(), description="patterns of files to pass over")
    small_images: Literal["refuse", "reflect"] = Field(default="refuse", description="training images below the patch")
    pack: bool = Field(default=True, description="false: train from the files, decoding them each time")

    @model_validator(mode="after")
    def _can_be_used(self) -> "Folders":
        if self.layout == OWN and self.train is None and self.test is None:
            raise ValueError("needs train or test patterns")
        if self.train is not None and not self.train.supervised:
            raise ValueError("train needs a clean pattern: training is supervised")
        if self.test_share and self.test_list:
            raise ValueError("test_share and test_list exclude each other")
        return self

    @property
    def trains(self) -> bool:
        """Whether the config or the layout has a place for training images."""
        return self.train is not None or "train" in LAYOUTS.get(self.layout, {})


Dataset = Annotated[Rendered | Folders, Field(discriminator="layout")]
