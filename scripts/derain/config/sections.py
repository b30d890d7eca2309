"""Sections of the config that decide stages and scores: keys, types, defaults, units and bounds.

Jobs read their recipes (derain.plan.recipes) with these classes. A class returns its values unchanged, so this module
is not part of any code digest, and a new key or default reruns no job by itself.
"""

import os
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

NAME_MAX, PATH_MAX = 255, 4096  # bytes, of Linux


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


LossName = Literal["negative_ssim", "l1", "mse", "charbonnier"]
LARGEST = 2**63 - 1  # NumPy and torch count with 64 bits
Positive = Annotated[int, BeforeValidator(_no_boolean), Field(ge=1, le=LARGEST)]
Count = Annotated[int, BeforeValidator(_no_boolean), Field(ge=0, le=LARGEST)]
Size = Annotated[int, BeforeValidator(_no_boolean), Field(ge=1, le=10_000, description="that memory or jobs grow with")]
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


class Section(BaseModel):
    """A part of the config. Unknown keys are errors; instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(Section):
    """Keys that all backbones share: where θ comes from, and whether it is trained. Each backbone adds its options."""

    initial_weights: PathOrHome | None = Field(
        default=None, description="θ that first stages start from, not the seed: safetensors or a published .pth"
    )
    evaluate_only: bool = Field(default=False, description="score initial_weights as they are, train nothing")
    scored_on: Names = Field(
        default=(), description="with evaluate_only: which of the scored datasets; none named: all"
    )


class PReNet(Network):
    """PReNet and its variants (PReNet_r, PRN, PRN_r)."""

    backbone: Literal["prenet"]
    stages: Size = Field(default=6, description="T, recurrent stages with shared weights")
    channels: Size = 32
    blocks: Size = 5
    lstm: bool = True
    shared_block: bool = False


class Training(Section):
    """How every stage is trained: the keys that decide θ."""

    steps: Positive = 300
    batch: Size = 8
    patch: Size = Field(default=32, description="side, pixels")
    loss: LossName = "negative_ssim"
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: Number = Field(default=5e-3, gt=0)
    schedule: Literal["constant", "cosine", "multistep"] = "cosine"
    warmup: Count = Field(default=20, description="steps")
    threads: Size = Field(default=1, description="of torch; part of what decides the bytes of θ")
    parts: Size = Field(default=1, description="that a batch is computed in; they decide the last bits of θ")
    precision: Literal["float32", "bfloat16"] = Field(default="float32", description="of the networks' passes")


class TrainingSection(Training):
    """The section `training`: the keys that decide θ, and keys for running and logging, which change no result."""

    devices: Size = Field(default=1, description="processes that share the parts of a batch, and an Ω")
    workers: Count = Field(default=0, le=10_000, description="processes that prepare batches")
    log_every: Positive = Field(default=20, description="steps")
    validate_every: Positive = Field(default=100, description="steps")
    checkpoint_every: Number = Field(default=120, ge=0, description="seconds; what a kill may cost a stage or an Ω")
    tensorboard: bool = Field(default=False, description="also write the training tables as event files beside them")


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

    of: Literal["loss", "output"] = Field(default="loss", description="the training loss, or MAS's ‖output‖²")
    power: Literal["absolute", "squared"] = Field(default="absolute", description="|gradient|, or EWC's gradient²")
    per: Literal["sample", "batch"] = Field(default="sample", description="whose gradient; batch: training.batch")
    patches: Positive = Field(default=200, description="training patches in the expectation")
    shards: Size = Field(default=1, description="jobs that share the patches; merged exactly")

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

    form: Literal["absolute", "squared", "pigwm"] = "squared"
    strength: Strength
    normalisation: Literal["loss_units", "none"] = "loss_units"
    importance: str | None = Field(default=None, description="one of `importances`; none: Ω = 1, plain L2")
    accumulation: Literal["mean", "sum", "exponential", "maximum"] = "mean"
    alpha: Number = Field(default=0.5, ge=0, le=1, description="weight of the new Ω in the exponential average")


class Distillation(MethodSection):
    """Distillation: keeps the outputs on new inputs close to those of the old network."""

    strength: Strength
    loss: LossName = "negative_ssim"
    rain: Annotated[tuple[Factor, Factor], InOrder] = Field(
        default=(1, 1), description="new rain times a factor from this range, log-uniform"
    )


class Memory(StateSection):
    """A small memory of old data, carried from stage to stage. The setting of NR has none."""

    keep: Literal["rain", "pairs"] = Field(default="rain", description="rain layers R = O − B, or whole pairs")
    patches: Positive = Field(default=64, description="of each dataset")
    patch: Size | None = Field(default=None, description="side of rain layers, pixels; none: training.patch")
    select: Literal["random", "density", "kmeans"] = Field(default="random", description="which patches are kept")

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

    name: str = Field(description="one of `memories`")
    share: Number = Field(default=0.5, gt=0, lt=1, description="of every batch")
    vary: Annotated[tuple[Literal["shift", "gain", "mix"], ...], Once] = Field(
        default=(), description="what is done to rain layers"
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
        default=(10.0, 3.0, 1.0, 0.3, 0.1), min_length=1, description="candidates: times all strengths of the method"
    )
    give_up: Number = Field(default=0.1, ge=0, lt=1, description="share of the free network's gain that may be lost")


class Method(Section):
    """The ingredients of a method. A method without any is plain fine-tuning."""

    penalty: Penalty | None = None
    distillation: Distillation | None = None
    memory: Rehearsal | None = None
    search: Search | None = None

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
                raise ValueError(f"search: a strength times {scale:g} is no finite number")
        return self


class States(Section):
    """The kinds of states that methods may carry, by name."""

    importances: dict[str, Importance] = Field(default_factory=dict)
    memories: dict[str, Memory] = Field(default_factory=dict)


class Joint(Section):
    """Joint training, the reference: one network trained on all datasets of an order at once."""

    steps_per_dataset: Positive = Field(le=10**12, description="its budget is this × datasets")
    prefixes: bool = Field(default=False, description="also one network for every beginning of an order")


class Evaluation(Section):
    """How outputs are scored, and what the page shows of them."""

    datasets: Names = Field(default=(), description="scored but never trained on")
    rounding: Annotated[tuple[Literal["nearest", "truncate", "none"], ...], Once] = Field(
        default=("nearest",), min_length=1, description="of outputs to 8 bits before they are scored"
    )
    ssim: Literal["wang2009", "full_size"] = Field(
        default="wang2009",
        description="of images from 384 pixels on: after shrinking, as ssim.m of 2009, or as they are",
    )
    split: bool = Field(default=False, description="one job a stage and dataset instead of one a stage")
    theory_patches: Count = Field(default=0, description="in the diagnostic of Eqs. 5–8, for each dataset; 0: none")
    previews: Count = Field(default=3, description="test images of each dataset on the page, worst to best rainy input")
