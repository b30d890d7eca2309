"""Applies the ingredients of a method to a stage: terms of the loss, and batches that also hold old samples."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from torch import Tensor, nn
from torch.utils.data import Dataset

from derain.files import tensors
from derain.method.ingredients import INGREDIENTS
from derain.method.step import Term
from derain.plan.recipes import TrainingRecipe
from derain.training.job import Job
from derain.training.streams import TRAINING

Acting = tuple[str, ModuleType, Mapping[str, Any] | None, Mapping[str, Any]]


def terms(job: Job[TrainingRecipe], network: nn.Module, states: Mapping[str, str]) -> dict[str, Term]:
    """Terms of the loss by name. network: the network at θⁿ, before training; states: state files by name ("omega")."""
    return {
        name: module.term(network, state, _seed(job), **options)
        for name, module, state, options in _acting(job, states)
        if hasattr(module, "term")
    }


def batches(job: Job[TrainingRecipe], states: Mapping[str, str]) -> Dataset[tuple[Tensor, Tensor]]:
    """The batches of the stage. states: as in `terms`."""
    found: Dataset[tuple[Tensor, Tensor]] = job.batches(TRAINING, job.recipe.training.batch)
    for _, module, state, options in _acting(job, states):
        if hasattr(module, "batches"):
            found = module.batches(found, state, _seed(job), **options)
    return found


def _acting(job: Job[TrainingRecipe], states: Mapping[str, str]) -> Iterator[Acting]:
    """Name, module, state and options of each ingredient in the recipe."""
    for ingredient in INGREDIENTS:
        if ingredient.name in job.recipe.method:
            file = states.get(ingredient.state.file) if ingredient.state else None
            state = tensors.read(file)[0] if file else None
            yield ingredient.name, import_module(ingredient.module), state, job.recipe.method[ingredient.name]


def _seed(job: Job[TrainingRecipe]) -> tuple[int, int]:
    return job.recipe.seed, job.recipe.depth
