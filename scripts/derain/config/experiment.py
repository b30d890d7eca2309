"""The experiment: all sections of config.yaml, and the checks that involve several sections."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from derain.config.datasets import Dataset, RainLayers
from derain.config.evaluation import Evaluation, Photographs
from derain.config.messages import fault_lines, in_short, nearest_known
from derain.config.methods import Method, MethodSection, States
from derain.config.names import SAFE_NAME, length_faults, name_faults, size_faults
from derain.config.networks import Backbone, Network
from derain.config.orders import Orders, as_orders
from derain.config.own_options import weights_faults, with_own_options
from derain.config.training import Joint, TrainingSection
from derain.config.values import Count, Once, PathOrHome, twice
from derain.errors import UserError
from derain.files.source import file_of
from derain.method.ingredients import INGREDIENTS

# `orders` as a config gives them.
OrdersGiven = tuple[tuple[str, ...], ...] | Orders

# Snakemake quotes no name of an image.
IMAGE = re.compile(r"[\w./][\w./:@+=-]*", re.ASCII)

# Files and folders that every experiment has in results/.
IN_RESULTS = (
    *("benchmarks", "datasets", "figures", "logs", "search", "stages", "tables"),
    *("networks", "partial.html", "photographs", "photographs.json", "report.html"),
)


class Experiment(States):
    """The whole of config.yaml."""

    name: str | None = Field(
        default=None, description="folder `results/NAME` for tables, figures and page; without it, `results` itself"
    )

    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="where torch computes; auto: CUDA where a device exists, else the CPU"
    )
    seeds: Annotated[tuple[Count, ...], Once] = Field(
        default=(0,),
        min_length=1,
        description="seeds of θ and of the patches; each stage is trained once for each seed",
    )
    orders: Annotated[tuple[tuple[str, ...], ...], BeforeValidator(as_orders, json_schema_input_type=OrdersGiven)] = (
        Field(
            default=(),
            description="lists of names of datasets, in the order of training; or one rule (`orders` by rule, "
            "below). Needed unless every network is only evaluated",
        )
    )
    datasets: dict[str, Dataset] = Field(description="datasets by name")
    on_leakage: Literal["error", "drop", "warn"] = Field(
        default="error",
        description="training and validation pairs whose rainy or clean image is also in a test pair of any "
        "dataset: error, stop; drop, leave them out; warn, keep them",
    )
    networks: dict[str, Backbone] = Field(
        min_length=1, description="networks by name; each goes through all orders and methods"
    )
    training: TrainingSection = Field(default=TrainingSection(), description="how each stage is trained")
    methods: dict[str, Method] = Field(
        default_factory=dict,
        description="methods by name: what a stage with earlier datasets adds to the loss. Needed unless every "
        "network is only evaluated",
    )
    joint: Joint | None = Field(
        default=None,
        description="reference networks that are trained on all datasets of an order at once; without it, none",
    )
    evaluation: Evaluation = Field(default=Evaluation(), description="how outputs are scored")
    photographs: Photographs | None = Field(
        default=None, description="photographs to restore with the trained and the given networks; without it, none"
    )
    stage_store: PathOrHome | None = Field(
        default=None, description="folder of finished stages that several results folders share; without it, none"
    )
    local_scratch: PathOrHome | None = Field(
        default=None,
        description="folder on a disk of the machine that runs a job, like `$TMPDIR`; variables are those of the job. "
        "Trainings, Ω, the theory table and scores read packed pixels from copies there; without it, from `results`",
    )
    container: str | None = Field(
        default=None,
        description="Apptainer image in which scripts run with `--sdm apptainer`: a file, or an address like "
        "`docker://REGISTRY/IMAGE:TAG`; without it, none",
    )

    @field_validator("name")
    @classmethod
    def _is_a_folder_of_its_own(cls, name: str | None) -> str | None:
        if name is not None and not SAFE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no safe file name (letters, digits, '.', '_' and '-')")
        if name is not None and name.casefold() in IN_RESULTS:
            raise ValueError(f"{name!r} is reserved: results/{name.casefold()} is there for something else")
        return name

    @field_validator("stage_store")
    @classmethod
    def _is_a_folder(cls, folder: Path | None) -> Path | None:
        try:
            no_folder = folder is not None and folder.exists() and not folder.is_dir()
        except OSError as error:
            raise ValueError(f"{str(folder)!r}: {error.strerror}") from None
        if no_folder:
            raise ValueError(f"{str(folder)!r} is no folder")
        return folder and folder.absolute()

    @field_validator("local_scratch")
    @classmethod
    def _is_the_same_everywhere(cls, folder: Path | None) -> Path | None:
        if folder is not None and not folder.is_absolute() and not str(folder).startswith("$"):
            raise ValueError(f"{str(folder)!r} is not absolute and does not begin with a variable, like $TMPDIR")
        return folder

    @field_validator("container")
    @classmethod
    def _is_safe_in_a_shell(cls, image: str | None) -> str | None:
        if image is not None and not IMAGE.fullmatch(image):
            raise ValueError(f"{in_short(image)} is no file or address of letters, digits and ./:@_+=-")
        return image

    @property
    def ordered_datasets(self) -> list[str]:
        """Datasets of the orders, by first appearance."""
        return list(dict.fromkeys(name for order in self.orders for name in order))

    @property
    def trained_datasets(self) -> list[str]:
        """Datasets of the orders, and stand-ins, that have training pairs."""
        stand_ins = [network.stand_in for network in self.networks.values() if network.stand_in]
        names = dict.fromkeys([*self.ordered_datasets, *stand_ins])
        return [name for name in names if name in self.datasets and self.datasets[name].trains]

    @property
    def scored_datasets(self) -> list[str]:
        """Datasets that every trained stage is scored on."""
        return [*self.ordered_datasets, *self.evaluation.datasets]

    def source_of(self, dataset: str) -> str | None:
        """The dataset whose rain layers a dataset takes, or None."""
        rain = getattr(self.datasets[dataset], "rain", None)
        return rain.layers_of if isinstance(rain, RainLayers) else None

    @property
    def packed_datasets(self) -> list[str]:
        """Datasets that have stores: the scored ones, and those whose rain layers they take."""
        return self._with_sources(self.scored_datasets)

    @property
    def datasets_with_training_pairs(self) -> list[str]:
        """Datasets whose training pairs are used: the trained ones, and those whose rain layers they take."""
        return self._with_sources(self.trained_datasets)

    def _with_sources(self, datasets: list[str]) -> list[str]:
        sources = [source for name in datasets if (source := self.source_of(name))]
        return list(dict.fromkeys([*datasets, *sources]))

    @property
    def trained_networks(self) -> list[str]:
        """Networks that are trained in all orders and with all methods."""
        return [name for name, network in self.networks.items() if not network.evaluate_only]

    @property
    def given_networks(self) -> list[str]:
        """Networks that are only evaluated."""
        return [name for name, network in self.networks.items() if network.evaluate_only]

    @property
    def learned(self) -> dict[str, tuple[str, ...]]:
        """The datasets that given networks have learned elsewhere, by network; only networks that have learned any."""
        return {name: network.learned for name, network in self.networks.items() if network.learned}

    def at_once(self, network: str) -> int:
        """Number of datasets at the start of an order that the first stage of a network has learned."""
        return len(self.networks[network].learned) or 1

    def scored_on(self, network: str) -> list[str]:
        """Datasets that the stages of a network are scored on."""
        chosen = self.networks[network].scored_on
        return [name for name in self.scored_datasets if name in chosen or not chosen]

    @property
    def finetuning(self) -> str | None:
        """Name of the first method that adds nothing to the training; None if there is none."""
        return next((name for name, method in self.methods.items() if method.is_finetuning), None)

    def kind_of(self, method: str, ingredient: str) -> str | None:
        """Name of the kind of state that an ingredient of a method carries; None if it carries none."""
        section = self.methods[method].ingredients.get(ingredient)
        return section.kind if section else None

    @model_validator(mode="after")
    def _fits_together(self) -> "Experiment":
        """Run all checks that involve several keys, and raise their faults together."""
        faults = [*name_faults(self)] or [
            *self._reference_faults(),
            *self._network_faults(),
            *self._training_faults(),
            *self._state_faults(),
            *self._dataset_faults(),
        ]
        faults = faults or [*length_faults(self), *size_faults(self)]
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _reference_faults(self) -> list[str]:
        faults = []
        checked: set[str] = set()
        for n, order in enumerate(self.orders):
            faults += _unknown(f"orders[{n}]", sorted({*order} - checked, key=order.index), self.datasets, "dataset")
            checked |= {*order}
            faults += [f"orders[{n}]: {in_short(name)} stands twice" for name in twice(order)]
            if not order:
                faults.append(f"orders[{n}]: is empty")
        faults += [f"orders: {list(order)} stands twice" for order in twice(self.orders)]
        faults += _unknown("evaluation.datasets", self.evaluation.datasets, self.datasets, "dataset")
        for name in set(self.evaluation.datasets) & set(self.ordered_datasets):
            faults.append(f"evaluation.datasets: {name!r} is trained on by an order, and so scored anyway")
        faults += self._chord_faults()
        if self.photographs:
            faults += _unknown("photographs.methods", self.photographs.methods, self.methods, "method")
        for name, method in self.methods.items():
            for ingredient, section in method.ingredients.items():
                faults += self._ingredient_faults(f"methods.{name}.{ingredient}", ingredient, section)
        return faults

    def _chord_faults(self) -> list[str]:
        evaluation = self.evaluation
        if not evaluation.chord:
            only = [key for key in ("chord_of", "chord_importance") if key in evaluation.model_fields_set]
            only = [key for key in only if getattr(evaluation, key) != Evaluation.model_fields[key].default]
            return [f"evaluation.{key}: needs chord, the shares of the blends" for key in only]
        importance = [evaluation.chord_importance] if evaluation.chord_importance is not None else []
        faults = _unknown("evaluation.chord_importance", importance, self.importances, "importance")
        if self.methods and self.finetuning is None:
            faults.append(
                "evaluation.chord: needs plain fine-tuning, whose blends are the chord, among methods: finetune: {}"
            )
        return faults

    def _network_faults(self) -> list[str]:
        faults = []
        if self.trained_networks:
            for key in ("orders", "methods"):
                if not getattr(self, key):
                    faults.append(f"{key}: is {'empty' if key in self.model_fields_set else 'missing'}")
        elif not self.scored_datasets:
            faults.append("evaluation.datasets: is empty; without orders, it must list the datasets to score")
        known = dict.fromkeys(self.scored_datasets)
        for name, network in self.networks.items():
            where = f"networks.{name}"
            if network.source and (file := file_of(network.source)):
                faults += _missing(f"{where}.backbone", file, "file")
            if network.evaluate_only and network.initial_weights is None:
                faults.append(f"{where}.initial_weights: is required with evaluate_only")
            if network.initial_weights is not None:
                faults += _missing(f"{where}.initial_weights", network.initial_weights, "file")
            if network.scored_on and not network.evaluate_only:
                faults.append(f"{where}.scored_on: needs evaluate_only; what is trained is scored on all datasets")
            faults += _unknown(f"{where}.scored_on", network.scored_on, known, "scored dataset")
            faults += [*self._learned_faults(where, network), *weights_faults(where, network)]
        return faults

    def _learned_faults(self, where: str, network: Network) -> list[str]:
        """Faults of what a given network has learned, and of the orders that have to begin with it."""
        learned, faults = network.learned, []
        if not learned:
            only = [key for key in ("stand_in", "omega", "references") if getattr(network, key)]
            return [f"{where}.{key}: needs learned, the datasets that the weights have learned" for key in only]
        if network.evaluate_only:
            return [f"{where}.learned: is for networks that learn more; with evaluate_only nothing is learned"]
        if network.initial_weights is None:
            faults.append(f"{where}.initial_weights: is required with learned")
        faults += _unknown(f"{where}.learned", learned, self.datasets, "dataset")
        for n, order in enumerate(self.orders):
            if order[: len(learned)] != learned and not faults:
                meant = (*learned, *(name for name in order if name not in learned))
                faults.append(
                    f"orders[{n}]: does not begin with {', '.join(learned)}, which {where} has learned; did you mean "
                    f"[{', '.join(meant)}]?"
                )
        if network.stand_in is not None:
            known = dict.fromkeys(name for name in self.scored_datasets if name in self.datasets)
            faults += _unknown(f"{where}.stand_in", [network.stand_in], known, "scored dataset")
            if network.stand_in in known and not self.datasets[network.stand_in].trains:
                faults.append(f"{where}.stand_in: {network.stand_in!r} has no train patterns")
            later = [f"orders[{n}]" for n, order in enumerate(self.orders) if network.stand_in in order[len(learned) :]]
            if later:
                faults.append(
                    f"{where}.stand_in: {in_short(network.stand_in)} is learned later, by {later[0]}; a stand-in is a "
                    "dataset of evaluation.datasets or of learned"
                )
        faults += _unknown(f"{where}.omega", network.omega, self.importances, "importance")
        for name, file in network.omega.items():
            faults += _missing(f"{where}.omega.{name}", file, "file")
        return faults

    def _training_faults(self) -> list[str]:
        training, faults = self.training, []
        if training.parts > training.batch:
            faults.append(f"training.parts: {training.parts} is more than training.batch, {training.batch}")
        if training.parts % training.devices:
            faults.append(
                f"training.devices: {training.devices} cannot share training.parts, {training.parts}, evenly; "
                f"set parts to {training.devices} or a multiple (parts decide the last bits of θ, devices none)"
            )
        return faults

    def _ingredient_faults(self, where: str, ingredient: str, section: MethodSection) -> list[str]:
        faults, kept = [], None
        state = next(each.state for each in INGREDIENTS if each.name == ingredient)
        if state and section.KIND and (name := getattr(section, section.KIND)) is not None:
            kinds = getattr(self, state.kinds)
            _, kind = get_args(States.model_fields[state.kinds].annotation)
            faults += _unknown(f"{where}.{section.KIND}", [name], kinds, kind.__name__.lower())
            kept = kinds.get(name)
        return faults + [f"{where}.{fault}" for fault in section.faults(kept, self.training)]

    def _state_faults(self) -> list[str]:
        return [
            f"{kinds}.{name}.{fault}"
            for kinds in States.model_fields
            for name, state in getattr(self, kinds).items()
            for fault in state.faults(self.training)
        ]

    def _dataset_faults(self) -> list[str]:
        faults = []
        for name in self.ordered_datasets:
            dataset = self.datasets.get(name)
            if dataset and not dataset.trains and (use := self._use_of_pairs(name)):
                faults.append(f"datasets.{name}: {use}, but has no train patterns (layout {dataset.layout})")
        for name, dataset in self.datasets.items():
            if dataset.root is not None:
                faults += _missing(f"datasets.{name}.root", dataset.root, "folder")
        return faults + self._layer_faults()

    def _layer_faults(self) -> list[str]:
        faults, chained = [], []
        for name in self.datasets:
            if (source := self.source_of(name)) is None:
                continue
            where = f"datasets.{name}.rain.layers_of"
            if unknown := _unknown(where, [source], self.datasets, "dataset"):
                faults += unknown
            elif source == name:
                faults.append(f"{where}: a dataset cannot take its own rain layers")
            elif further := self.source_of(source):
                chained.append(f"{where}: {in_short(source)} has no rain of its own, but that of {in_short(further)}")
            elif name in self.trained_datasets and not self.datasets[source].trains:
                faults.append(f"{where}: {in_short(source)} has no training pairs, whose layers training pairs take")
        return faults + chained[:1]  # the others of a circle go with the first

    def _use_of_pairs(self, dataset: str) -> str:
        """What the training pairs of a dataset of the orders are needed for; empty if for nothing."""
        for name in self.trained_networks:
            network = self.networks[name]
            if dataset not in network.learned or network.references:
                return "is trained on by an order"
            kinds = {kind for method in self.methods if (kind := self.kind_of(method, "penalty"))}
            if of_blends := self.evaluation.chord_importance:
                kinds.add(of_blends)
            others = [each.name for each in INGREDIENTS if each.name != "penalty"]
            states = any(self.kind_of(method, other) for method in self.methods for other in others)
            if not network.stand_in and (kinds - {*network.omega} or states or self.evaluation.theory_patches):
                return (
                    f"stands in networks.{name}.learned, without stand_in, and Ω, intensities, memory or diagnostic "
                    "need its pairs"
                )
        return ""


def _missing(where: str, path: Path, kind: Literal["file", "folder"]) -> list[str]:
    """A fault if there is no readable file or folder at a path; else an empty list."""
    try:
        if not (path.is_file() if kind == "file" else path.is_dir()):
            return [f"{where}: there is no {kind} {str(path)!r}"]
    except OSError as error:  # a folder above it may not be entered, or its name is too long
        return [f"{where}: {str(path)!r}: {error.strerror}"]
    return [] if os.access(path, os.R_OK) else [f"{where}: {str(path)!r} may not be read"]


def _unknown(where: str, names: Any, known: Mapping[str, Any], kind: str) -> list[str]:
    return [
        f"{where}: no {kind} is called {in_short(name)}{nearest_known(name, known)}"
        for name in names
        if name not in known
    ]


def read_experiment(raw: Mapping[str, Any]) -> Experiment:
    """Validate a config as read from YAML. Raises UserError with one line for each fault."""
    if not isinstance(raw, Mapping):
        raise UserError("config: should be keys with values")
    try:
        return Experiment.model_validate(with_own_options(raw))
    except ValidationError as error:
        lines = fault_lines(error, Experiment)
    raise UserError("\n".join(f"config: {line}" for line in lines))
