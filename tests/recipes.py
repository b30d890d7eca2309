"""Recipes and jobs in memory."""

from typing import Any

from derain.config.sections import Training
from derain.plan.recipes import TrainingRecipe
from derain.training.job import Job

CONFIG = {"device": "cpu", "training": {}}


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
    return Job(recipe_of(training, method), [], [], CONFIG)
