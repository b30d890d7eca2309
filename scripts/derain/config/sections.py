"""Sections of the config that decide stages and scores, in one file: keys, types, defaults, units and bounds.

Jobs read their recipes (derain.plan.recipes) with these classes. A class returns its values unchanged, so this module
is not part of any code digest, and a new key or default reruns no job by itself.
"""

import os
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from reprlib import repr as in_short
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

NAME_MAX, PATH_MAX = 255, 4096  # bytes, of Linux
MOST_VALUES = 10_000  # in one option of a network class


def twice(items: Iterable[Hashable]) -> list[Any]:
    """The items that occur more than once."""
    return [item for item, k in Counter(items).items() if k > 1]


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"should be a number, not {str(value).lower()}")
    return value


def _in_order(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("needs the lower number first")
    return pair


def _once(items: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    if found := twice(items):
        raise ValueError(f"{found[0]!r} stands twice")
    return items


def _a_path(value: Any) -> Any:
    if isinstance(value, str):
        if not value.strip():
            raise ValueError("is empty")
        try:
            parts = os.fsencode(value).split(b"/")
        except UnicodeEncodeError:
            parts = [b"\0"]
        if b"\0" in b"".join(parts):
            raise ValueError(f"{value!r} is no path")
        if max(map(len, parts)) > NAME_MAX or sum(map(len, parts)) + len(parts) > PATH_MAX:
            raise ValueError(f"{value[:40]!r}... is too long for a path")
    return value


def _at_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"{str(path)!r}: there is no home of such a user") from None


def _a_class(value: str) -> str:
    place, _, name = value.rpartition(":")
    if not name.isidentifier() or not (place.endswith(".py") or all(map(str.isidentifier, place.split(".")))):
        raise ValueError(f"{in_short(value)} is neither {OWN_CLASS} nor MODULE:CLASS")
    return f"{_at_home(Path(place))}:{name}" if place.endswith(".py") else value


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


OWN_CLASS = "FILE.py:CLASS"
LossName = Literal["negative_ssim", "l1", "mse", "charbonnier"]
LARGEST = 2**63 - 1  # NumPy and torch count with 64 bits
Positive = Annotated[int, BeforeValidator(_no_boolean), Field(ge=1, le=LARGEST)]
Count = Annotated[int, BeforeValidator(_no_boolean), Field(ge=0, le=LARGEST)]
# Memory, or the number of jobs, grows with it.
Size = Annotated[int, BeforeValidator(_no_boolean), Field(ge=1, le=10_000)]
# Blocks of each level of a U-Net.
Levels = Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)]
Number = Annotated[float, BeforeValidator(_no_boolean), Field(allow_inf_nan=False)]
Strength = Annotated[Number, Field(ge=0)]
Factor = Annotated[Number, Field(gt=0)]
InOrder = AfterValidator(_in_order)
Range = Annotated[tuple[Number, Number], InOrder]
Once = AfterValidator(_once)
Names = Annotated[tuple[str, ...], Once]
IsPath = BeforeValidator(_a_path)
SomePath = Annotated[Path, IsPath]
PathOrHome = Annotated[SomePath, AfterValidator(_at_home)]
ClassPlace = Annotated[
    str, IsPath, AfterValidator(_a_class), WithJsonSchema({"type": "string", "pattern": r"^.+:[^\W\d]\w*$"})
]


class Section(BaseModel):
    """A part of the config. Unknown keys are errors; instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(Section):
    """Keys that all backbones share: where θ comes from, and whether it is trained. Each backbone adds its options."""

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
        description="with `learned`: name of the dataset whose training pairs replace theirs in Ω, memory and the "
        "diagnostic; without it, the training pairs of `learned` that are at hand",
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

    backbone: Literal["prenet"] = Field(description="architecture of the network")
    stages: Size = Field(default=6, description="T, number of recurrent stages, which share their weights")
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
    """A network class of your own (docs/networks.md). It is code that runs with your rights."""

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
        return {"backbone": "own", "class_name": self.backbone.rpartition(":")[2], "options": self.options}


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


class Training(Section):
    """How every stage is trained: the keys that decide θ."""

    steps: Positive = Field(default=300, description="optimiser steps of each stage; `joint` has its own number")
    batch: Size = Field(default=8, description="patches in each batch")
    patch: Size = Field(default=32, description="side of a training patch, pixels")
    loss: LossName = Field(
        default="negative_ssim",
        description="training loss L between the output and the clean patch, one value a sample",
    )
    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        default="adam", description="optimiser of torch; each stage starts a fresh one"
    )
    learning_rate: Number = Field(default=5e-3, gt=0, description="highest learning rate of the schedule")
    schedule: Literal["constant", "cosine", "multistep"] = Field(
        default="cosine",
        description="learning rate over the steps: constant; cosine, down to 0; multistep, × 0.2 at 30, 50 and "
        "80 % of the steps",
    )
    warmup: Count = Field(default=20, description="steps of the linear rise of the learning rate at the start; 0: none")
    threads: Size = Field(
        default=1,
        description="CPU threads of torch in each job with a network; another number changes the last bits of θ",
    )
    parts: Size = Field(
        default=1,
        description="parts that a batch is computed in, at most `batch` and a multiple of `devices`; more parts "
        "need less memory, and another number changes the last bits of θ",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="number format of the forward and backward passes of a training; losses, θ and Ω stay float32",
    )


class TrainingSection(Training):
    """The section `training`: the keys that decide θ, and keys for running and logging, which change no result."""

    devices: Size = Field(
        default=1,
        description="processes that share the parts of a batch and the patches of an Ω, each with its own CUDA "
        "device or its own CPU threads",
    )
    workers: Count = Field(
        default=0, le=10_000, description="processes that prepare batches; 0: the training process does"
    )
    log_every: Positive = Field(default=20, description="steps between two rows of `training.csv` and log lines")
    validate_every: Positive = Field(
        default=100, description="steps between two validations; the last step always has one"
    )
    checkpoint_every: Number = Field(
        default=120,
        ge=0,
        description="seconds between two checkpoints of a training or an Ω: the work that a kill may lose",
    )
    tensorboard: bool = Field(
        default=False, description="true: also write each training table as TensorBoard event files"
    )


class StateSection(Section):
    """A kind of state that a method carries from stage to stage (derain.method.ingredients)."""

    def side(self, training_patch: int) -> int:
        """Side of the patches that the state is made from, pixels."""
        return training_patch

    def faults(self, training: Training) -> Iterator[str]:
        """Conflicts with the section `training`; each line begins with the key."""
        del training
        yield from ()


class Importance(StateSection):
    """How Ω is estimated after a stage, at its frozen θ."""

    of: Literal["loss", "output"] = Field(
        default="loss", description="function whose gradient counts: the training loss L, or the mean of output² (MAS)"
    )
    power: Literal["absolute", "squared"] = Field(
        default="absolute", description="what is averaged: |gradient| (NR, MAS, PIGWM) or gradient² (EWC)"
    )
    per: Literal["sample", "batch"] = Field(
        default="sample",
        description="gradient of each single patch, or of the mean over `training.batch` patches (PIGWM's code)",
    )
    patches: Positive = Field(
        default=200, description="training patches in the expectation; with `per: batch` a multiple of `training.batch`"
    )
    shards: Size = Field(default=1, description="jobs that share the patches of one Ω; their sums are merged exactly")

    def faults(self, training: Training) -> Iterator[str]:
        """Conflicts of `patches` with the batch size and with the number of shards."""
        size = training.batch if self.per == "batch" else 1
        if self.patches % size:
            yield f"patches: {self.patches} is no multiple of training.batch, {size}"
        if self.patches // size < self.shards:
            yield f"shards: {self.shards} are more than there are gradients to share"


class MethodSection(Section):
    """An ingredient of a method (derain.method.ingredients). It acts on stages with a past."""

    # KIND: the key that names the kind of state that the ingredient carries; its row in INGREDIENTS names the section
    # of the kinds. OF_STATE: other keys that decide the state, but not how the ingredient uses it.
    KIND: ClassVar[str | None] = None
    OF_STATE: ClassVar[frozenset[str]] = frozenset()

    def options(self, scale: float) -> dict[str, Any] | None:
        """The options that decide a stage, with the strength times `scale`; None if the strength is 0."""
        options = self.model_dump(mode="json", exclude={*self.OF_STATE, *([self.KIND] if self.KIND else [])})
        if "strength" in options:
            options["strength"] *= scale
        return None if options.get("strength") == 0 else options

    @property
    def kind(self) -> str | None:
        """Name of the kind of state that the ingredient carries; None if it carries none or its strength is 0."""
        return getattr(self, self.KIND) if self.KIND and self.options(1) is not None else None

    def faults(self, kept: Any, training: Training) -> Iterator[str]:
        """Conflicts with the kind of state that the ingredient carries (`kept`, or None) and with the section
        `training`; each line begins with the key.
        """
        del kept, training
        yield from ()


class Penalty(MethodSection):
    """Penalty on the change of important weights."""

    KIND = "importance"
    OF_STATE = frozenset({"accumulation", "alpha"})

    form: Literal["absolute", "squared", "pigwm"] = Field(
        default="squared",
        description="P with Δ = θ − θⁿ: absolute, Σ Ω|Δ|; squared, ½ Σ ΩΔ²; pigwm, ½S + ½S² for each tensor, S = "
        "Σ Ω|Δ|",
    )
    strength: Strength = Field(description="λ, factor of the penalty P in the loss; 0: no penalty")
    normalisation: Literal["loss_units", "none"] = Field(
        default="loss_units",
        description="loss_units: Ω × δ and Δ / δ, δ the root mean square of θⁿ, so that P has the unit of the "
        "loss; none: Ω and Δ as they are",
    )
    importance: str | None = Field(
        default=None, description="name of the kind of Ω in `importances`; without it Ω = 1, a plain L2 penalty"
    )
    accumulation: Literal["mean", "sum", "exponential", "maximum"] = Field(
        default="mean", description="how the Ω of several datasets become one Ω̄"
    )
    alpha: Number = Field(
        default=0.5,
        ge=0,
        le=1,
        description="with `accumulation: exponential`: weight of the new Ω; the old Ω̄ has 1 − alpha",
    )


class Distillation(MethodSection):
    """Distillation: keeps the outputs on new inputs close to those of the old network."""

    strength: Strength = Field(description="β, factor of the distillation D in the loss; 0: no distillation")
    loss: LossName = Field(
        default="negative_ssim", description="loss between the outputs of the moving and of the old network"
    )
    rain: Annotated[tuple[Factor, Factor], InOrder] = Field(
        default=(1, 1),
        description="lowest and highest factor of the new rain in the distilled inputs, drawn log-uniformly for "
        "each sample; [1, 1]: the new rain itself",
    )


class Memory(StateSection):
    """A small memory of old data, carried from stage to stage. The setting of NR has none."""

    keep: Literal["rain", "pairs"] = Field(
        default="rain", description="what is stored: rain layers R = O − B, or pairs of rainy and clean patches"
    )
    patches: Positive = Field(default=64, description="K, patches stored of each dataset, 6 bytes a pixel")
    patch: Size | None = Field(
        default=None,
        description="side of a stored rain layer, pixels, at most `training.patch`, which is the default; not "
        "for pairs",
    )
    select: Literal["random", "density", "kmeans"] = Field(
        default="random",
        description="which patches are stored: random ones, those with the most rain, or those nearest to the "
        "k-means centres of the rain's spectra",
    )

    @model_validator(mode="after")
    def _pairs_are_training_patches(self) -> "Memory":
        if self.keep == "pairs" and self.patch is not None:
            raise ValueError("patch is the side of rain layers; pairs have that of training patches")
        return self

    def side(self, training_patch: int) -> int:
        """Side of the patches that are kept, pixels."""
        return self.patch or training_patch

    def faults(self, training: Training) -> Iterator[str]:
        """Rain layers that are larger than training patches."""
        if self.side(training.patch) > training.patch:
            yield f"patch: {self.patch} is larger than training.patch, {training.patch}"

    def bytes_of_dataset(self, training_patch: int) -> int:
        """Bytes kept of one dataset: 6 per pixel, either three channels of int16 or two 8-bit RGB images."""
        return self.patches * self.side(training_patch) ** 2 * 6


class Rehearsal(MethodSection):
    """Replay of old rain layers, or of old pairs, in a share of every batch."""

    KIND = "name"

    name: str = Field(description="name of the kind of memory in `memories`")
    share: Number = Field(
        default=0.5, gt=0, lt=1, description="share of the places in every batch that old samples take"
    )
    vary: Annotated[tuple[Literal["shift", "gain", "mix"], ...], Once] = Field(
        default=(),
        description="random changes of each rain layer: shift, cyclic in both axes; gain, × 0.7 to 1.4; mix, "
        "plus another layer of its dataset; not for pairs",
    )

    def faults(self, kept: Memory | None, training: Training) -> Iterator[str]:
        """A share that rounds to no patch or to the whole batch, and `vary` for a memory of pairs."""
        if not 0 < round(self.share * training.batch) < training.batch:
            yield f"share: {self.share:g} of training.batch, {training.batch}, leaves no place for old or new patches"
        if kept and kept.keep == "pairs" and self.vary:
            yield f"vary: applies to rain layers, but {self.name!r} keeps pairs"


class Search(Section):
    """Choice of the strengths for each stage, from the validation pairs of the new dataset only."""

    scales: Annotated[tuple[Factor, ...], Once] = Field(
        default=(10.0, 3.0, 1.0, 0.3, 0.1),
        min_length=1,
        description="factors of all strengths of the method, one candidate training each, beside one without any "
        "strength",
    )
    give_up: Number = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="share of the gain on the new dataset's validation pairs, of the candidate without any "
        "strength, that the chosen one may lose",
    )


class Method(Section):
    """The ingredients of a method. A method without any is plain fine-tuning."""

    penalty: Penalty | None = Field(default=None, description="penalty on moves of important weights")
    distillation: Distillation | None = Field(
        default=None, description="distillation from the network of the earlier datasets, on new rainy inputs"
    )
    memory: Rehearsal | None = Field(default=None, description="old samples from a memory in every batch")
    search: Search | None = Field(default=None, description="choose the strengths of each stage among candidates")

    @property
    def ingredients(self) -> dict[str, MethodSection]:
        """The ingredients of the method, by name."""
        sections = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: section for name, section in sections.items() if isinstance(section, MethodSection)}

    def options(self, scale: float = 1) -> dict[str, dict[str, Any]]:
        """The options of each acting ingredient, by name, with strengths times `scale`."""
        found = {name: section.options(scale) for name, section in self.ingredients.items()}
        return {name: options for name, options in found.items() if options is not None}

    @model_validator(mode="after")
    def _has_strengths_to_search(self) -> "Method":
        if self.search and not any("strength" in options for options in self.options().values()):
            raise ValueError("search: there is no strength above 0 to scale")
        for scale in self.search.scales if self.search else ():
            if not all(isfinite(options.get("strength", 0)) for options in self.options(scale).values()):
                raise ValueError(f"search: a strength times {scale:g} is too large to be a finite number")
        return self


class States(Section):
    """The kinds of states that methods may carry, by name."""

    importances: dict[str, Importance] = Field(
        default_factory=dict, description="kinds of importance Ω by name, for penalties"
    )
    memories: dict[str, Memory] = Field(default_factory=dict, description="kinds of memories by name, for methods")


class Joint(Section):
    """Joint training, the reference: one network trained on all datasets of an order at once."""

    steps_per_dataset: Positive = Field(le=10**12, description="optimiser steps for each dataset of a joint network")
    prefixes: bool = Field(
        default=False,
        description="true: also one joint network for every beginning of an order of two or more datasets",
    )


class Evaluation(Section):
    """How outputs are scored, and what the page shows of them."""

    datasets: Names = Field(default=(), description="names of datasets that are scored but never trained on")
    rounding: Annotated[tuple[Literal["nearest", "truncate", "none"], ...], Once] = Field(
        default=("nearest",),
        min_length=1,
        description="how outputs in [0, 1] are rounded to 8 bits before they are scored, one row of the score "
        "tables each: nearest; truncate, uint8(255·x); none, floats. The page shows the first",
    )
    ssim: Literal["wang2009", "full_size"] = Field(
        default="wang2009",
        description="SSIM of images whose shorter side has 384 pixels or more: wang2009, after shrinking as "
        "`ssim.m` of 2009 does; full_size, as they are. The SSIM of rainy inputs and dataset "
        "summaries follows",
    )
    tile: Size = Field(
        default=1024,
        description="side of the tiles, pixels, in which images of more than tile² pixels are restored. With a finite "
        "reach of the network (docs/use.md) their outputs are those of the whole image; otherwise they are blended",
    )
    split: bool = Field(
        default=False, description="true: one scoring job for each stage and dataset; false: one for each stage"
    )
    theory_patches: Count = Field(
        default=0,
        description="training patches of each earlier dataset in the diagnostic of Eqs. 5–8; 0: no diagnostic",
    )
    previews: Count = Field(
        default=3,
        description="test images of each dataset on the page, from the worst to the best PSNR of the rainy input",
    )
