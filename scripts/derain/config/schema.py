"""The experiment, typed: the only place that knows its keys, defaults, units, bounds and error texts."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from derain.config.messages import fault_lines, nearest_known
from derain.config.orders import choose_orders
from derain.curriculum import RESERVED
from derain.data.layouts import LAYOUTS, OWN
from derain.errors import UserError

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

LossName = Literal["negative_ssim", "l1", "mse", "charbonnier"]
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Strength = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Range = tuple[float, float]


class Section(BaseModel):
    """A part of the config: unknown keys are errors, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Orders(Section):
    """Orders by rule instead of one by one."""

    datasets: tuple[str, ...] = Field(min_length=1)
    choose: Literal["all", "rotations", "random"]
    count: Positive = Field(default=3, description="how many random orders")
    seed: Count = Field(default=0, description="of the random orders")

    @field_validator("datasets")
    @classmethod
    def _stand_once(cls, datasets: tuple[str, ...]) -> tuple[str, ...]:
        twice = [name for name, k in Counter(datasets).items() if k > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} stands twice")
        return datasets


def _orders(given: Any) -> Any:
    """A rule for orders as the list of orders that it stands for."""
    if not isinstance(given, Mapping):
        return given
    try:
        rule = Orders.model_validate(given)
    except ValidationError as error:
        raise ValueError("\n".join(f".{line}" for line in fault_lines(error, Orders))) from None
    return choose_orders(rule.datasets, rule.choose, rule.count, rule.seed)


class RainStreaks(Section):
    """A kind of rain to render; ranges are drawn from uniformly for each image."""

    angle: Range = Field(description="degrees from the vertical")
    length: Range = Field(description="of a streak, pixels")
    width: float = Field(gt=0, description="of a streak at half its brightness, pixels")
    density: float = Field(gt=0, lt=1, description="streaks per pixel")
    brightness: Range = Field(description="what a streak adds, 1 = white")
    blur: float = Field(default=0.0, ge=0, description="σ of the Gaussian blur, pixels")


class Rendered(Section):
    """Rain rendered on photographs that scikit-image ships."""

    layout: Literal["rendered"]
    rain: RainStreaks
    seed: Count = 0
    renders: Positive = Field(default=4, description="rains on each training photograph")
    tile: Positive = Field(default=160, description="side of the validation and test images, pixels")
    tiles: Positive = Field(default=3, description="of each validation and test photograph")
    train: tuple[str, ...] = ("motorcycle_left.png", "ihc.png", "rocket.jpg")
    validation: tuple[str, ...] = ("coffee.png",)
    test: tuple[str, ...] = ("astronaut.png", "chelsea.png")

    @model_validator(mode="after")
    def _splits_are_disjoint(self) -> "Rendered":
        twice = [name for name, n in Counter(self.train + self.validation + self.test).items() if n > 1]
        if twice:
            raise ValueError(f"{twice[0]} stands twice: a photograph belongs to one split")
        return self


class Pairs(Section):
    """Where the pairs of a split are, below the root. Paths hold {scene}, {rain} and * (see derain.data.matching)."""

    rainy: str | None = Field(default=None, description="pattern of rainy images")
    clean: str | None = Field(default=None, description="pattern of clean ones; none for real rain; or left, right")
    side_by_side: str | None = Field(default=None, description="pattern of images that hold both; `clean` is a half")
    list: str | None = Field(default=None, description="a list of pairs: text, two paths a line; or CSV")

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
        """Whether there are clean images."""
        return bool(self.clean or self.list)


def _check_pattern(pattern: str) -> None:
    if pattern.count("{scene}") != 1 or pattern.count("{rain}") > 1:
        raise ValueError(f"the pattern {pattern!r} must hold {{scene}} once, and {{rain}} at most once")
    if pattern.startswith("/") or ".." in pattern.split("/") or "**" in pattern:
        raise ValueError(f"the pattern {pattern!r} must be a path below the root, without '..' and '**'")


# Of derain.data.layouts; docs/datasets.md shows their folder trees.
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
    """Images on disk, in a layout with a name, or where train, validation and test say."""

    layout: LayoutName
    root: Path
    train: Pairs | None = Field(default=None, description="instead of the layout's")
    validation: Pairs | None = Field(default=None, description="where the layout has none, scenes are held out")
    test: Pairs | None = Field(default=None, description="instead of the layout's")
    clean: Literal["left", "right"] | None = Field(default=None, description="clean half of side-by-side images")
    validation_share: float = Field(default=0.1, gt=0, lt=1, description="of the training scenes, held out")
    validation_list: Path | None = Field(default=None, description="file of scenes to hold out, instead of a share")
    test_share: float = Field(default=0, ge=0, lt=1, description="of the training scenes, for a test split")
    test_list: Path | None = Field(default=None, description="file of scenes for the test split")
    seed: Count = Field(default=0, description="of the draws")
    exclude: tuple[str, ...] = Field(default=(), description="patterns of files to pass over")
    small_images: Literal["refuse", "reflect"] = Field(default="refuse", description="training images below the patch")
    pack: bool = Field(default=True, description="false: train from the files, decoding them each time")

    @field_validator("root")
    @classmethod
    def _home_is_known(cls, root: Path) -> Path:
        return root.expanduser()

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
        """Whether there is a place for training images."""
        return self.train is not None or "train" in LAYOUTS.get(self.layout, {})


Dataset = Annotated[Rendered | Folders, Field(discriminator="layout")]


class Network(Section):
    """Where θ of a network comes from; each backbone adds its options."""

    initial_weights: Path | None = Field(
        default=None, description="θ that first stages start from, not the seed: safetensors or a published .pth"
    )
    evaluate_only: bool = Field(default=False, description="score initial_weights as they are, train nothing")
    scored_on: tuple[str, ...] = Field(
        default=(), description="with evaluate_only: which of the scored datasets; none named: all"
    )


class PReNet(Network):
    """PReNet and its variants (PReNet_r, PRN, PRN_r)."""

    backbone: Literal["prenet"]
    stages: Positive = Field(default=6, description="T, recurrent stages with shared weights")
    channels: Positive = 32
    blocks: Positive = 5
    lstm: bool = True
    shared_block: bool = False


class Training(Section):
    """How every stage is trained. All but the last five decide its numbers."""

    steps: Positive = 300
    batch: Positive = 8
    patch: Positive = Field(default=32, description="side, pixels")
    loss: LossName = "negative_ssim"
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = Field(default=5e-3, gt=0)
    schedule: Literal["constant", "cosine", "multistep"] = "cosine"
    warmup: Count = Field(default=20, description="steps")
    threads: Positive = Field(default=1, description="of torch; part of what decides the bytes of θ")
    parts: Positive = Field(default=1, description="that a batch is computed in; they decide the last bits of θ")
    precision: Literal["float32", "bfloat16"] = Field(default="float32", description="of the networks' passes")
    devices: Positive = Field(default=1, description="processes that share the parts of a batch, and an Ω")
    workers: Count = Field(default=0, description="processes that prepare batches")
    log_every: Positive = Field(default=20, description="steps")
    validate_every: Positive = Field(default=100, description="steps")
    checkpoint_every: float = Field(default=120, ge=0, description="seconds; what a kill may cost a stage or an Ω")
    tensorboard: bool = Field(default=False, description="also write the training tables as event files beside them")


class Importance(Section):
    """How Ω is estimated after a stage, at its frozen θ."""

    of: Literal["loss", "output"] = Field(default="loss", description="the training loss, or MAS's ‖output‖²")
    power: Literal["absolute", "squared"] = Field(default="absolute", description="|gradient|, or EWC's gradient²")
    per: Literal["sample", "batch"] = Field(default="sample", description="whose gradient; batch: training.batch")
    patches: Positive = Field(default=200, description="training patches in the expectation")
    shards: Positive = Field(default=1, description="jobs that share the patches; merged exactly")


class Penalty(Section):
    """How important weights are held."""

    form: Literal["absolute", "squared", "pigwm"] = "squared"
    strength: Strength
    normalisation: Literal["loss_units", "none"] = "loss_units"
    importance: str | None = Field(default=None, description="one of `importances`; none: Ω = 1, plain L2")
    accumulation: Literal["mean", "sum", "exponential", "maximum"] = "mean"
    alpha: float = Field(default=0.5, ge=0, le=1, description="weight of the new Ω in the exponential average")


class Distillation(Section):
    """How the outputs of the old network are held on the new inputs."""

    strength: Strength
    loss: LossName = "negative_ssim"
    rain: Range = Field(default=(1, 1), description="new rain times a factor from this range, log-uniform")

    @field_validator("rain")
    @classmethod
    def _is_rain(cls, rain: Range) -> Range:
        if not 0 < rain[0] <= rain[1]:
            raise ValueError("needs factors above 0, the lower one first")
        return rain


class Memory(Section):
    """Something small kept of old data, carried along the path. The setting of NR has none."""

    keep: Literal["rain", "pairs"] = Field(default="rain", description="rain layers R = O − B, or whole pairs")
    patches: Positive = Field(default=64, description="of each dataset")
    patch: Positive | None = Field(default=None, description="side of rain layers, pixels; none: training.patch")
    select: Literal["random", "density", "kmeans"] = Field(default="random", description="which patches are kept")

    @model_validator(mode="after")
    def _pairs_are_training_patches(self) -> "Memory":
        if self.keep == "pairs" and self.patch is not None:
            raise ValueError("patch is the side of rain layers; pairs have that of training patches")
        return self

    def side(self, training_patch: int) -> int:
        """Of what is kept, pixels."""
        return self.patch or training_patch

    def bytes_of_dataset(self, training_patch: int) -> int:
        """What is kept of one dataset: three colours of int16, or of two images of 8 bits."""
        return self.patches * self.side(training_patch) ** 2 * 6


class Rehearsal(Section):
    """Old rain, or old pairs, in a share of every batch."""

    name: str = Field(description="one of `memories`")
    share: float = Field(default=0.5, gt=0, lt=1, description="of every batch")
    vary: tuple[Literal["shift", "gain", "mix"], ...] = Field(default=(), description="what is done to rain layers")


class Search(Section):
    """Strengths chosen for every stage by itself, from the new dataset's validation pairs alone."""

    scales: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = Field(
        default=(10.0, 3.0, 1.0, 0.3, 0.1), min_length=1, description="candidates: times all strengths of the method"
    )
    give_up: float = Field(default=0.1, ge=0, lt=1, description="share of the free network's gain that may be lost")


class Method(Section):
    """What a stage adds to the loss; nothing at all is plain fine-tuning."""

    penalty: Penalty | None = None
    distillation: Distillation | None = None
    memory: Rehearsal | None = None
    search: Search | None = None

    @model_validator(mode="after")
    def _has_strengths_to_search(self) -> "Method":
        if self.search and not any(part and part.strength > 0 for part in (self.penalty, self.distillation)):
            raise ValueError("search: there is no strength above 0 to scale")
        return self


class Joint(Section):
    """Reference: one network trained on all datasets of an order at once."""

    steps_per_dataset: Positive = Field(description="its budget is this × datasets")
    prefixes: bool = Field(default=False, description="also one network for every beginning of an order")


class Evaluation(Section):
    """How outputs are scored."""

    datasets: tuple[str, ...] = Field(default=(), description="scored but never trained on")
    rounding: tuple[Literal["nearest", "truncate", "none"], ...] = Field(
        default=("nearest",), min_length=1, description="of outputs to 8 bits before they are scored"
    )
    split: bool = Field(default=False, description="one job a stage and dataset instead of one a stage")
    theory_patches: Count = Field(default=0, description="in the diagnostic of Eqs. 5–8, for each dataset; 0: none")
    previews: Count = Field(default=3, description="test images of each dataset on the page, worst to best rainy input")


class Experiment(Section):
    """The whole of config.yaml."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    seeds: tuple[Count, ...] = Field(default=(0,), min_length=1)
    orders: Annotated[tuple[tuple[str, ...], ...], BeforeValidator(_orders)] = ()
    datasets: dict[str, Dataset]
    on_leakage: Literal["error", "drop", "warn"] = Field(
        default="error", description="training pairs whose rainy or clean image is that of a test pair of any dataset"
    )
    networks: dict[str, PReNet] = Field(min_length=1)
    training: Training = Training()
    importances: dict[str, Importance] = {}
    memories: dict[str, Memory] = {}
    methods: dict[str, Method] = {}
    joint: Joint | None = None
    evaluation: Evaluation = Evaluation()
    stage_store: Path | None = Field(default=None, description="folder of finished stages, shared by results folders")

    @field_validator("stage_store")
    @classmethod
    def _is_a_folder(cls, folder: Path | None) -> Path | None:
        if folder is not None and folder.exists() and not folder.is_dir():
            raise ValueError(f"{str(folder)!r} is no folder")
        return folder and folder.expanduser().absolute()

    @property
    def trained_datasets(self) -> list[str]:
        """Datasets that some order trains on, as they first appear."""
        return list(dict.fromkeys(name for order in self.orders for name in order))

    @property
    def scored_datasets(self) -> list[str]:
        """Datasets that every trained stage is scored on."""
        return [*self.trained_datasets, *self.evaluation.datasets]

    @property
    def trained_networks(self) -> list[str]:
        """Networks that go through all orders and methods."""
        return [name for name, network in self.networks.items() if not network.evaluate_only]

    @property
    def given_networks(self) -> list[str]:
        """Networks that are only evaluated."""
        return [name for name, network in self.networks.items() if network.evaluate_only]

    def scored_on(self, network: str) -> list[str]:
        """Datasets that the stages of a network are scored on."""
        chosen = self.networks[network].scored_on
        return [name for name in self.scored_datasets if name in chosen or not chosen]

    def importance_of(self, method: str) -> str | None:
        """Name of the importance that a method's penalty uses; None where no penalty acts, or Ω = 1."""
        penalty = self.methods[method].penalty
        return penalty.importance if penalty and penalty.strength > 0 else None

    def memory_of(self, method: str) -> str | None:
        """Name of a method's memory; None where it keeps nothing of old data."""
        memory = self.methods[method].memory
        return memory.name if memory else None

    @model_validator(mode="after")
    def _fits_together(self) -> "Experiment":
        """Everything that takes more than one key to judge; all faults at once."""
        faults = [
            *self._name_faults(),
            *self._reference_faults(),
            *self._network_faults(),
            *self._training_faults(),
            *self._importance_faults(),
            *self._dataset_faults(),
        ]
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _name_faults(self) -> list[str]:
        faults = []
        for section in ("datasets", "networks", "importances", "memories", "methods"):
            for name in getattr(self, section):
                if not SAFE_NAME.fullmatch(name):
                    faults.append(f"{section}: {name!r} is no safe file name (letters, digits, '.', '_' and '-')")
                elif name in RESERVED:
                    faults.append(f"{section}: {name!r} is reserved ({', '.join(RESERVED)})")
                elif section in ("importances", "memories") and "." in name:
                    faults.append(f"{section}: {name!r} has a '.', which ends such a name in the name of a file")
        return faults

    def _reference_faults(self) -> list[str]:
        faults = []
        told: set[str] = set()
        for n, order in enumerate(self.orders):
            faults += _unknown(f"orders[{n}]", sorted({*order} - told, key=order.index), self.datasets, "dataset")
            told |= {*order}
            faults += [f"orders[{n}]: {name!r} stands twice" for name, k in Counter(order).items() if k > 1]
            if not order:
                faults.append(f"orders[{n}]: is empty")
        faults += [f"orders: {list(order)} stands twice" for order, k in Counter(self.orders).items() if k > 1]
        faults += [f"seeds: {seed} stands twice" for seed, k in Counter(self.seeds).items() if k > 1]
        faults += _unknown("evaluation.datasets", self.evaluation.datasets, self.datasets, "dataset")
        for name in set(self.evaluation.datasets) & set(self.trained_datasets):
            faults.append(f"evaluation.datasets: {name!r} is trained on by an order, and so scored anyway")
        for name, method in self.methods.items():
            if method.penalty and method.penalty.importance is not None:
                where = f"methods.{name}.penalty.importance"
                faults += _unknown(where, [method.penalty.importance], self.importances, "importance")
            if method.memory:
                faults += _unknown(f"methods.{name}.memory.name", [method.memory.name], self.memories, "memory")
                if not 0 < round(method.memory.share * self.training.batch) < self.training.batch:
                    old = f"{method.memory.share:g} of training.batch, {self.training.batch}"
                    faults.append(f"methods.{name}.memory.share: {old}, leaves no place for old or new patches")
                kept = self.memories.get(method.memory.name)
                if kept and kept.keep == "pairs" and method.memory.vary:
                    faults.append(
                        f"methods.{name}.memory.vary: is done to rain layers, and {method.memory.name!r} keeps pairs"
                    )
        for name, memory in self.memories.items():
            if memory.side(self.training.patch) > self.training.patch:
                faults.append(
                    f"memories.{name}.patch: {memory.patch} is larger than training.patch, {self.training.patch}"
                )
        return faults

    def _network_faults(self) -> list[str]:
        faults = []
        if self.trained_networks:
            for key in ("orders", "methods"):
                if not getattr(self, key):
                    faults.append(f"{key}: is {'empty' if key in self.model_fields_set else 'missing'}")
        elif not self.scored_datasets:
            faults.append("evaluation.datasets: is empty, and without orders nothing else says what to score")
        known = dict.fromkeys(self.scored_datasets)
        for name, network in self.networks.items():
            where = f"networks.{name}"
            if network.evaluate_only and network.initial_weights is None:
                faults.append(f"{where}.initial_weights: is required with evaluate_only")
            if network.initial_weights is not None and not network.initial_weights.is_file():
                faults.append(f"{where}.initial_weights: there is no file {str(network.initial_weights)!r}")
            if network.scored_on and not network.evaluate_only:
                faults.append(f"{where}.scored_on: needs evaluate_only; what is trained is scored on all datasets")
            faults += _unknown(f"{where}.scored_on", network.scored_on, known, "scored dataset")
        twice = [name for name, k in Counter(self.evaluation.rounding).items() if k > 1]
        return faults + [f"evaluation.rounding: {name!r} stands twice" for name in twice]

    def _training_faults(self) -> list[str]:
        training, faults = self.training, []
        if training.parts > training.batch:
            faults.append(f"training.parts: {training.parts} are more than a batch has patches, {training.batch}")
        if training.parts % training.devices:
            faults.append(
                f"training.devices: {training.devices} cannot share training.parts, {training.parts}, evenly; "
                f"set parts to {training.devices} or a multiple (parts decide the last bits of θ, devices none)"
            )
        return faults

    def _importance_faults(self) -> list[str]:
        faults = []
        for name, importance in self.importances.items():
            where = f"importances.{name}"
            size = self.training.batch if importance.per == "batch" else 1
            if importance.patches % size:
                faults.append(f"{where}.patches: {importance.patches} is no multiple of training.batch, {size}")
            if importance.patches // size < importance.shards:
                faults.append(f"{where}.shards: {importance.shards} are more than there are gradients to share")
        return faults

    def _dataset_faults(self) -> list[str]:
        faults = []
        for name in self.trained_datasets:
            dataset = self.datasets.get(name)
            if isinstance(dataset, Folders) and not dataset.trains:
                faults.append(
                    f"datasets.{name}: is trained on by an order, but has no train patterns (layout {dataset.layout})"
                )
        for name, dataset in self.datasets.items():
            if isinstance(dataset, Folders) and not dataset.root.is_dir():
                faults.append(f"datasets.{name}.root: there is no folder {str(dataset.root)!r}")
        return faults


def _unknown(where: str, names: Any, known: Mapping[str, Any], kind: str) -> list[str]:
    return [f"{where}: no {kind} is called {name!r}{nearest_known(name, known)}" for name in names if name not in known]


def read(raw: Mapping[str, Any]) -> Experiment:
    """The experiment of a config as read from YAML. Raises UserError with one line for each fault."""
    try:
        return Experiment.model_validate(raw)
    except ValidationError as error:
        lines = fault_lines(error, Experiment)
    raise UserError("\n".join(f"config: {line}" for line in lines))
