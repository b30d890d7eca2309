"""Config sections of methods, their ingredients and the kinds of states that they carry.

Jobs read their recipes (derain.plan.recipes) with these classes. A class returns its values unchanged, so this module
is not part of any code digest, and a new key or default reruns no job by itself.
"""

from collections.abc import Iterator
from math import isfinite
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from derain.config.training import Training
from derain.config.values import (
    Alpha,
    Factor,
    InOrder,
    LossName,
    Number,
    Once,
    Positive,
    Section,
    Size,
    Strength,
)

FORWARD = 1 / 3  # of a forward and a backward pass


class StateSection(Section):
    """A kind of state that a method carries from stage to stage (derain.method.ingredients)."""

    def side(self, training_patch: int) -> int:
        """Side of the patches that the state is made from, pixels."""
        return training_patch

    def bytes_of_dataset(self, training_patch: int) -> int:
        """Bytes stored of one dataset, of a state that is made from its data alone; 0 for one that is made from θ."""
        del training_patch
        return 0

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

    @property
    def passes(self) -> float:
        """Forward and backward passes of a batch that the ingredient adds to a training step."""
        return 0

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


class Intensity(StateSection):
    """How much it rains in the training patches of a dataset: mean |O − B| of a patch, one number each."""

    patches: Positive = Field(default=256, description="training patches that are measured, 4 bytes each")

    def bytes_of_dataset(self, training_patch: int) -> int:
        """Bytes of the measurements of one dataset, float32."""
        del training_patch
        return self.patches * 4


class Distillation(MethodSection):
    """Distillation: keeps the outputs on new inputs close to those of the old network."""

    KIND = "intensity"

    strength: Strength = Field(description="β, factor of the distillation D in the loss; 0: no distillation")
    loss: LossName = Field(
        default="negative_ssim", description="loss between the outputs of the moving and of the old network"
    )
    rain: Annotated[tuple[Factor, Factor], InOrder] = Field(
        default=(1, 1),
        description="lowest and highest factor of the rain in the distilled inputs, drawn log-uniformly for each "
        "sample; [1, 1]: the rain itself",
    )
    intensity: str | None = Field(
        default=None,
        description="name of a kind of `intensities`: the new rain in the distilled inputs is made as weak as "
        "old rain where it is stronger, sample by sample; not with `rain`",
    )

    @property
    def passes(self) -> float:
        """A forward pass of the old network, and those of the network itself if its inputs are not the batch."""
        return FORWARD + (0 if self.rain == (1, 1) and self.intensity is None else 1)

    @model_validator(mode="after")
    def _has_one_rain(self) -> "Distillation":
        if self.intensity is not None and self.rain != (1, 1):
            raise ValueError(".rain: does not go with intensity: each decides how strong the distilled rain is")
        return self


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
    """Replay of old rain layers, or of old pairs, in every batch."""

    KIND = "name"

    name: str = Field(description="name of the kind of memory in `memories`")
    share: Number = Field(
        default=0.5, gt=0, le=1, description="old samples in every batch, as a share of `training.batch`"
    )
    places: Literal["replace", "add"] = Field(
        default="replace",
        description="replace: old samples take places of new ones, so a step costs no more; add: they come beside all "
        "new ones, and a step costs 1 + `share` times as much",
    )
    vary: Annotated[tuple[Literal["shift", "gain", "mix"], ...], Once] = Field(
        default=(),
        description="random changes of each rain layer: shift, cyclic in both axes; gain, × 0.7 to 1.4; mix, "
        "plus another layer of its dataset; not for pairs",
    )

    @property
    def passes(self) -> float:
        """Those of added samples."""
        return self.share if self.places == "add" else 0

    def faults(self, kept: Memory | None, training: Training) -> Iterator[str]:
        """A share that rounds to no patch or to the whole batch, and `vary` for a memory of pairs."""
        old = round(self.share * training.batch)
        for kind, missing in (("old", old == 0), ("new", self.places == "replace" and old == training.batch)):
            if missing:
                yield f"share: {self.share:g} of training.batch, {training.batch}, leaves no place for {kind} patches"
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


class Blending(Section):
    """Blend of θ after the training of a stage with θⁿ before it: (1 − α)·θⁿ + α·θ is the θ of the stage."""

    alpha: Alpha | None = Field(
        default=None, description="α, the share of the trained θ; without it, each stage chooses one of `alphas`"
    )
    alphas: Annotated[tuple[Alpha, ...], Once] = Field(
        default=(0.2, 0.4, 0.6, 0.8), min_length=1, description="shares to choose from; 1, no blend, is one more"
    )
    give_up: Number = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="share of the trained θ's gain on the new dataset's validation pairs that the blend may lose; the "
        "smallest α that loses no more is chosen",
    )

    @model_validator(mode="after")
    def _has_a_choice(self) -> "Blending":
        for key in ("alphas", "give_up"):
            if self.alpha is not None and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key}: goes with a chosen alpha, and alpha is given")
        return self


class Method(Section):
    """The ingredients of a method. A method without any is plain fine-tuning."""

    penalty: Penalty | None = Field(default=None, description="penalty on moves of important weights")
    distillation: Distillation | None = Field(
        default=None, description="distillation from the network of the earlier datasets, on new rainy inputs"
    )
    memory: Rehearsal | None = Field(default=None, description="old samples from a memory in every batch")
    search: Search | None = Field(default=None, description="choose the strengths of each stage among candidates")
    blend: Blending | None = Field(default=None, description="blend θ of each stage with θ of the one before it")

    @property
    def ingredients(self) -> dict[str, MethodSection]:
        """The ingredients of the method, by name."""
        sections = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: section for name, section in sections.items() if isinstance(section, MethodSection)}

    def options(self, scale: float = 1) -> dict[str, dict[str, Any]]:
        """The options of each acting ingredient, by name, with strengths times `scale`."""
        found = {name: section.options(scale) for name, section in self.ingredients.items()}
        return {name: options for name, options in found.items() if options is not None}

    @property
    def passes(self) -> float:
        """Forward and backward passes of a training step; 1 is a batch of new samples."""
        return 1 + sum(section.passes for section in self.ingredients.values() if section.options(1) is not None)

    @property
    def is_finetuning(self) -> bool:
        """Whether the method adds nothing to the training of a stage, and nothing after it."""
        return not self.options() and not self.blend

    @property
    def rule(self) -> str:
        """The rule that makes θ of the method's stages from the second dataset on."""
        return "adopt" if self.search else "blend" if self.blend else "next"

    @model_validator(mode="after")
    def _has_strengths_to_search(self) -> "Method":
        if self.search and not any("strength" in options for options in self.options().values()):
            raise ValueError("search: there is no strength above 0 to scale")
        if self.search and self.blend:
            raise ValueError("search: does not go with blend: each chooses the θ of a stage")
        for scale in self.search.scales if self.search else ():
            if not all(isfinite(options.get("strength", 0)) for options in self.options(scale).values()):
                raise ValueError(f"search: a strength times {scale:g} is too large to be a finite number")
        return self


class States(Section):
    """The kinds of states that methods may carry, by name."""

    importances: dict[str, Importance] = Field(
        default_factory=dict, description="kinds of importance Ω by name, for penalties"
    )
    intensities: dict[str, Intensity] = Field(
        default_factory=dict, description="kinds of rain intensities by name, for distillation"
    )
    memories: dict[str, Memory] = Field(default_factory=dict, description="kinds of memories by name, for methods")
