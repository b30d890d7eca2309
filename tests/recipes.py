"""Recipes and jobs in memory, and what a stage before has left."""

from pathlib import Path
from typing import Any

from derain.config.training import Training
from derain.files import tensors
from derain.method.losses import LOSSES
from derain.method.memory import stored_form
from derain.plan.recipes import TrainingRecipe
from derain.training.importance import importance_sum
from derain.training.job import Job
from torch import Tensor, nn

CONFIG = {"device": "cpu", "local_scratch": None, "training": {}}
# Options of a method with every ingredient.
INGREDIENTS = {
    "penalty": {"form": "squared", "strength": 1.0, "normalisation": "loss_units"},
    "distillation": {"loss": "mse", "strength": 0.5, "rain": (0.5, 2)},
    "memory": {"share": 0.5},
}


def replaced(training: Training, **changes: Any) -> Training:
    """The section with other values, which are checked as those of a config are."""
    return type(training)(**(training.model_dump() | changes))


def recipe_of(training: Training, method: dict[str, Any] | None = None, **more: Any) -> TrainingRecipe:
    """Of a second stage. method: options of its ingredients by name."""
    numbers = Training(**{name: getattr(training, name) for name in Training.model_fields})
    fields = {"code": {}, "seed": 0, "depth": 2, "datasets": {}, "network": {}, "method": method or {}}
    return TrainingRecipe(**{**fields, "training": numbers, **more})


def job_of(training: Training, method: dict[str, Any] | None = None) -> Job[TrainingRecipe]:
    """A job that has a recipe and no data."""
    return Job(recipe_of(training, method), [], [], CONFIG, None)


def past_files(network: nn.Module, rainy: Tensor, clean: Tensor, folder: Path) -> dict[str, str]:
    """Files of Ω of the first pair and of a memory of all rain layers, by kind. rainy, clean: (K, 3, P, P)."""
    sums, samples = importance_sum(network, [(rainy[:1], clean[:1])], LOSSES["l1"])
    files = {kind: str(folder / f"{kind}.safetensors") for kind in ("omega", "memory")}
    tensors.write(files["omega"], {name: (total / samples).float().numpy() for name, total in sums.items()}, {})
    tensors.write(files["memory"], {"a": stored_form("rain", rainy, clean)}, {})
    return files
