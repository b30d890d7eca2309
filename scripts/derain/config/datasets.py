"""Config sections of datasets: rain rendered on photographs, or image files on disk."""

import difflib
import re
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from derain.config.values import Count, InOrder, IsPath, Number, PathOrHome, Range, Section, Size, SomePath, twice
from derain.data.layouts import LAYOUTS, OWN
from derain.data.samples import SPLITS

# Far longer than any streak on photographs of a few hundred pixels. Memory grows with the square of the length.
Length = Annotated[Number, Field(ge=0, le=2000)]
Brightness = Annotated[Number, Field(ge=0, le=100)]


class RainStreaks(Section):
    """A kind of rain to render. Ranges are drawn from uniformly: angle and length for each image, brightness for each
    streak.
    """

    angle: Range = Field(description="angle of the streaks of an image, degrees from the vertical")
    length: Annotated[tuple[Length, Length], InOrder] = Field(description="length of the streaks of an image, pixels")
    width: Number = Field(ge=0.01, le=500, description="width of a streak at half its brightness, pixels")
    density: Number = Field(gt=0, lt=1, description="expected number of streaks that start at each pixel")
    brightness: Annotated[tuple[Brightness, Brightness], InOrder] = Field(
        description="brightness that the middle of a streak adds, 1 = white; drawn for each streak"
    )
    blur: Number = Field(default=0.0, ge=0, le=500, description="σ of the Gaussian blur of the rain, pixels; 0: none")


class RainLayers(Section):
    """Rain layers R = O − B of another dataset, instead of rendered streaks."""

    layers_of: str = Field(
        description="name of the dataset; each split takes the layers of the same split. It must have rain of its own, "
        "and need not be in an order"
    )


def _kind_of_rain(value: Any) -> str:
    """The tag of the form that `rain` has in a config, or in a validated section."""
    if isinstance(value, list | tuple):
        return "kinds"
    names = [str(name) for name in value] if isinstance(value, dict) else []
    layers = isinstance(value, RainLayers) or any(difflib.get_close_matches(name, ["layers_of"]) for name in names)
    return "layers" if layers else "streaks"


AnyRain = Annotated[
    Annotated[RainStreaks, Tag("streaks")]
    | Annotated[tuple[RainStreaks, ...], Field(min_length=1), Tag("kinds")]
    | Annotated[RainLayers, Tag("layers")],
    Discriminator(_kind_of_rain),
]


class Divided(Section):
    """What datasets with a root folder share: which files are passed over, and how scenes get into splits."""

    layout: str
    root: PathOrHome | None
    validation_share: Number = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="share of the training scenes that becomes the validation split where nothing else gives one",
    )
    validation_list: SomePath | None = Field(
        default=None,
        description="file below `root` that lists the training scenes of the validation split, a line each",
    )
    test_share: Number = Field(
        default=0,
        ge=0,
        lt=1,
        description="share of the training scenes that becomes the test split; 0: that of the layout or of `test_list`",
    )
    test_list: SomePath | None = Field(
        default=None,
        description="file below `root` that lists the training scenes of the test split, a line each; not with "
        "`test_share`",
    )
    seed: Count = Field(default=0, description="seed of the draws by `validation_share` and `test_share`")
    exclude: tuple[str, ...] = Field(
        default=(), description="patterns of paths below `root` that are passed over; `*` crosses folders"
    )
    small_images: Literal["refuse", "reflect"] = Field(
        default="refuse",
        description="training images smaller than `training.patch`: refuse, an error; reflect, continue them by "
        "reflection",
    )

    @model_validator(mode="after")
    def _has_one_test_split(self) -> "Divided":
        if self.test_share and self.test_list:
            raise ValueError("test_share and test_list exclude each other")
        return self


Photograph = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]


class Rendered(Divided):
    """Rain rendered on photographs: those of scikit-image that `train`, `validation` and `test` name, or all images
    below `root`. A photograph below `root` is a scene; the keys of scenes and files apply with `root` only.
    """

    layout: Literal["rendered"] = Field(description="rain rendered on photographs, O = B + R")
    root: PathOrHome | None = Field(
        default=None,
        description="folder of photographs, only read, with all folders below; where it lies decides nothing. "
        "Without it, photographs of scikit-image",
    )
    rain: AnyRain = Field(
        description="the kind of rain; a list of kinds, of which each pair draws one; or `layers_of`, another dataset"
    )
    seed: Count = Field(default=0, description="seed of the rain, and of the draws by shares")
    renders: Size = Field(default=4, description="different rains on each training photograph, one training pair each")
    tile: Annotated[Size, Field(ge=11)] = Field(  # SSIM needs 11 (derain.data.checks)
        default=160, description="side of the square validation and test images, pixels, at most that of the photograph"
    )
    tiles: Size = Field(default=3, description="squares cut from each validation and test photograph, at most")
    train: tuple[Photograph, ...] = Field(
        default=("motorcycle_left.png", "ihc.png", "rocket.jpg"),
        description="photographs of scikit-image for the training pairs, file names",
    )
    validation: tuple[Photograph, ...] = Field(
        default=("coffee.png",), description="photographs of scikit-image for the validation pairs, file names"
    )
    test: tuple[Photograph, ...] = Field(
        default=("astronaut.png", "chelsea.png"),
        description="photographs of scikit-image for the test pairs, file names",
    )

    @model_validator(mode="before")
    @classmethod
    def _names_nothing_with_a_root(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and raw.get("root") is not None:
            return dict.fromkeys(SPLITS, ()) | raw
        return raw

    @model_validator(mode="after")
    def _splits_are_disjoint(self) -> "Rendered":
        if found := twice(self.train + self.validation + self.test):
            raise ValueError(f"{found[0]} stands twice: a photograph belongs to one split")
        return self

    @model_validator(mode="after")
    def _has_keys_of_one_source(self) -> "Rendered":
        fields, needless = type(self).model_fields, set(Divided.model_fields) - {"layout", "root", "seed"}
        if self.root is None:
            given = [key for key in fields if key in needless and getattr(self, key) != fields[key].default]
            if given:
                raise ValueError(f".{given[0]}: needs `root`; photographs of scikit-image are divided by their names")
            return self
        if given := [key for key in SPLITS if getattr(self, key)]:
            raise ValueError(f".{given[0]}: names photographs of scikit-image, and `root` gives others; leave one out")
        if not self.test_share and self.test_list is None:
            raise ValueError("with `root`, test_share or test_list must say which photographs are for the test pairs")
        return self

    @property
    def trains(self) -> bool:
        """Whether there are training pairs: always."""
        return True


class Pairs(Section):
    """Where the pairs of a split are, below the root. Patterns contain {scene}, {rain} and * (derain.data.matching)."""

    rainy: str | None = Field(
        default=None, description="pattern of the rainy images, with `{scene}`, and `{rain}` where a scene has several"
    )
    clean: str | None = Field(
        default=None,
        description="with `rainy`: pattern of the clean images, none for real rain; with `side_by_side`: `left` "
        "or `right`, the clean half",
    )
    side_by_side: str | None = Field(
        default=None, description="pattern of images that hold the rainy and the clean image side by side"
    )
    list: Annotated[str, IsPath] | None = Field(
        default=None, description="file that lists the pairs: text with two paths a line, or CSV"
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


TOGETHER = re.compile(r"(\{scene\}|\{rain\}|\*)(\{scene\}|\{rain\}|\*)")  # two placeholders of a pattern


def _check_pattern(pattern: str) -> None:
    if pattern.count("{scene}") != 1 or pattern.count("{rain}") > 1:
        raise ValueError(f"the pattern {pattern!r} must hold {{scene}} once, and {{rain}} at most once")
    if pattern.startswith("/") or ".." in pattern.split("/") or "**" in pattern:
        raise ValueError(f"the pattern {pattern!r} must be a path below the root, without '..' and '**'")
    if together := TOGETHER.search(pattern):
        raise ValueError(
            f"the pattern {pattern!r} does not say where {together[1]} ends and {together[2]} begins; write the text "
            "between them, or leave one out"
        )


# The layouts of derain.data.layouts; docs/reference/datasets.md shows their folder trees.
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


class Folders(Divided):
    """Images on disk, in a named layout, or in the places given by train, validation and test."""

    layout: LayoutName = Field(
        description="name of the folder tree (docs/reference/datasets.md); `folders`: only `train`, `validation` and "
        "`test` say where",
    )
    root: PathOrHome = Field(description="folder of the dataset, only read; where it lies decides nothing")
    train: Pairs | None = Field(default=None, description="place of the training pairs, instead of the layout's place")
    validation: Pairs | None = Field(
        default=None,
        description="place of the validation pairs, instead of the layout's place; where neither exists, scenes "
        "are held out",
    )
    test: Pairs | None = Field(default=None, description="place of the test pairs, instead of the layout's place")
    clean: Literal["left", "right"] | None = Field(
        default=None, description="clean half of side-by-side images, instead of the layout's half"
    )
    pack: bool = Field(
        default=True, description="true: decode all images once into a store; false: decode the files in each job"
    )

    @model_validator(mode="after")
    def _can_be_used(self) -> "Folders":
        if self.layout == OWN and self.train is None and self.test is None:
            raise ValueError("needs train or test patterns")
        return self

    @property
    def trains(self) -> bool:
        """Whether the config or the layout has a place for training images."""
        return self.train is not None or "train" in LAYOUTS.get(self.layout, {})


Dataset = Annotated[Rendered | Folders, Field(discriminator="layout")]
