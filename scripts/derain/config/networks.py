"""Config sections of networks: where θ comes from, and the options of each backbone."""

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from derain.config.messages import in_short
from derain.config.values import LARGEST, IsPath, Names, Number, PathOrHome, Section, Size, at_home

OWN_CLASS = "FILE.py:CLASS"
OWN = "own"  # the backbone of a class of the user's own in recipes and metadata, which do not have its place
MOST_VALUES = 10_000  # in one option of a network class


def _a_class(value: str) -> str:
    place, _, name = value.rpartition(":")
    if not name.isidentifier() or not (place.endswith(".py") or all(map(str.isidentifier, place.split(".")))):
        raise ValueError(f"{in_short(value)} is neither {OWN_CLASS} nor MODULE:CLASS")
    return f"{at_home(Path(place))}:{name}" if place.endswith(".py") else value


def _as_json(options: dict[str, Any]) -> dict[str, Any]:
    faults = [name for name, option in options.items() if not _is_json(option)]
    if faults:
        raise ValueError("\n".join(f"{in_short(name)} is no JSON value: {in_short(options[name])}" for name in faults))
    return options


def _is_json(value: Any) -> bool:
    """Whether a value is JSON, with at most MOST_VALUES: aliases of YAML can make it endless."""
    waiting, seen = [value], 0
    while waiting and seen < MOST_VALUES:
        each = waiting.pop()
        seen += 1
        if isinstance(each, dict) and all(isinstance(name, str) for name in each):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, int):
            if abs(each) > LARGEST:
                return False
        elif not (each is None or isinstance(each, str) or (isinstance(each, float) and isfinite(each))):
            return False
    return not waiting


# Blocks of each level of a U-Net.
Levels = Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)]
ClassPlace = Annotated[
    str, IsPath, AfterValidator(_a_class), WithJsonSchema({"type": "string", "pattern": r"^.+:[^\W\d]\w*$"})
]


class Network(Section):
    """Keys that all backbones share: where θ comes from, and whether it is trained. Each backbone adds its options."""

    # Whether a pixel of the output depends only on input pixels within a distance (derain.evaluation.tiles).
    FINITE_REACH: ClassVar[bool] = False

    initial_weights: PathOrHome | None = Field(
        default=None,
        description="file with the θ that first and joint stages start from, safetensors or a published `.pth`; "
        "without it, the seed draws θ. With `evaluate_only` or `learned`, a θ of this workflow also gives the options "
        "of its backbone",
    )
    evaluate_only: bool = Field(
        default=False, description="true: score `initial_weights` as they are and train nothing"
    )
    scored_on: Names = Field(
        default=(), description="with `evaluate_only`: names of the datasets to score; empty: all scored datasets"
    )
    learned: Names = Field(
        default=(),
        description="datasets that `initial_weights` have learned elsewhere, in the sequence in which every order "
        "begins with them; nothing trains on them: θ, Ω and memory of their stage are those of the given weights",
    )
    stand_in: str | None = Field(
        default=None,
        description="with `learned`: name of the dataset whose training pairs replace theirs in Ω, intensities, "
        "memory and the diagnostic, one of `evaluation.datasets` or of `learned`; without it, the training pairs of "
        "`learned` that are at hand",
    )
    omega: dict[str, PathOrHome] = Field(
        default_factory=dict,
        description="with `learned`: files with Ω of the given weights, by the name in `importances`; Ω of other "
        "names are estimated from training pairs",
    )
    references: bool = Field(
        default=False,
        description="with `learned`: true: also train individual and joint networks, from the given weights",
    )

    @property
    def source(self) -> str | None:
        """Place of a class of the user's own, FILE.py:CLASS or MODULE:CLASS; None for a backbone of the library."""
        return None

    def architecture(self) -> dict[str, Any]:
        """The library's backbone and its options, as JSON values for recipes. The place of a class is not in it."""
        return self.model_dump(mode="json", exclude=set(Network.model_fields))


class PReNet(Network):
    """PReNet and its variants (PReNet_r, PRN, PRN_r)."""

    FINITE_REACH = True

    backbone: Literal["prenet"] = Field(description="architecture of the network")
    stages: Size = Field(
        default=6,
        description="T, number of iterations (recurrent stages), which share their weights; no stages of an order",
    )
    channels: Size = Field(default=32, description="width of the features, channels")
    blocks: Size = Field(default=5, description="residual blocks in each recurrent stage")
    lstm: bool = Field(default=True, description="carry an LSTM state from stage to stage; false: PRN")
    shared_block: bool = Field(
        default=False, description="use one residual block `blocks` times; true: PReNet_r, or PRN_r without `lstm`"
    )


class NAFNet(Network):
    """NAFNet, a U-Net without activation functions."""

    backbone: Literal["nafnet"] = Field(description="architecture of the network")
    width: Size = Field(default=16, description="channels of the first level; each further level has twice as many")
    encoder: Levels = Field(
        default=(1, 1, 1), description="blocks of each encoder level, from the finest; each level halves the sides"
    )
    middle: Size = Field(default=1, description="blocks between encoder and decoder")
    decoder: Levels = Field(
        default=(1, 1, 1), description="blocks of each decoder level, from the coarsest; as many levels as `encoder`"
    )

    @model_validator(mode="after")
    def _decodes_all_levels(self) -> "NAFNet":
        down, up = len(self.encoder), len(self.decoder)
        if down != up:
            raise ValueError(f".decoder: lists {up} levels, and encoder {down}; both need the same number")
        return self


class Restormer(Network):
    """Restormer, a U-Net of transformer blocks with attention between channels."""

    backbone: Literal["restormer"] = Field(description="architecture of the network")
    width: Size = Field(default=16, description="channels of level 1, even; each further level has twice as many")
    blocks: tuple[Size, Size, Size, Size] = Field(
        default=(1, 1, 1, 1), description="blocks of levels 1 to 4; encoder and decoder share the numbers of 1 to 3"
    )
    refinement: Size = Field(default=1, description="blocks behind the decoder, at full resolution")
    heads: tuple[Size, Size, Size, Size] = Field(
        default=(1, 2, 4, 8), description="attention heads of levels 1 to 4, each a divisor of the level's channels"
    )
    expansion: Annotated[Number, Field(ge=1, le=100)] = Field(
        default=2.66, description="hidden channels of the feed-forward layers, as a multiple of their channels"
    )

    @model_validator(mode="after")
    def _divides_its_channels(self) -> "Restormer":
        faults = []
        if self.width % 2:
            faults.append(f".width: {self.width} is odd; the step to level 2 halves it")
        for level, heads in enumerate(self.heads):
            if (channels := self.width * 2**level) % heads:
                faults.append(f".heads[{level}]: {heads} does not divide the {channels} channels of level {level + 1}")
        if faults:
            raise ValueError("\n".join(faults))
        return self


class Own(Network):
    """A network class of your own (docs/how-to/add-a-backbone.md). It is code that runs with your rights."""

    backbone: ClassPlace = Field(
        description="the class: `FILE.py:CLASS`, a file relative to the folder of the experiment, or `MODULE:CLASS` of "
        "an installed package",
    )
    options: Annotated[dict[str, Any], AfterValidator(_as_json)] = Field(
        default_factory=dict, description="arguments of the class, by name"
    )

    @property
    def source(self) -> str:
        """Place of the class."""
        return self.backbone

    def architecture(self) -> dict[str, Any]:
        """The class by its name, and its options."""
        return {"backbone": OWN, "class_name": self.backbone.rpartition(":")[2], "options": self.options}


def backbone(section: Any) -> str | None:
    """The tag of a network's section. The function has the name of the key that decides, for messages."""
    named = section.get("backbone") if isinstance(section, Mapping) else getattr(section, "backbone", None)
    return OWN_CLASS if isinstance(named, str) and ":" in named else None if named is None else str(named)


Backbone = Annotated[
    Annotated[PReNet, Tag("prenet")]
    | Annotated[NAFNet, Tag("nafnet")]
    | Annotated[Restormer, Tag("restormer")]
    | Annotated[Own, Tag(OWN_CLASS)],
    Discriminator(backbone),
]
