"""The diagnostic of NR's Eqs. 5–8 on every earlier dataset of a stage (rule `theory`)."""

from collections.abc import Mapping, Sequence
from typing import Any

from derain.evaluation.theory import taylor
from derain.method.losses import LOSSES
from derain.plan.recipes import TheoryRecipe
from derain.training.job import Job
from derain.training.streams import THEORY

COLUMNS = ["dataset", "loss_then", "loss_now", "change", "first_order", "bound"]
Row = dict[str, float | str]


def theory_rows(
    recipe: TheoryRecipe,
    thetas: Sequence[str],
    tables: Sequence[str],
    pixels: Sequence[str],
    config: Mapping[str, Any],
    log: str,
) -> list[Row]:
    """A row (COLUMNS, see `taylor`) for each dataset of the recipe, on patches of its training pairs.

    thetas: files of θ of the stages that learned these datasets, in their order, and of the stage itself; tables,
    pixels, config, log: as of `Job`.
    """
    *earlier, now = thetas
    earlier = [earlier[0]] * (len(recipe.datasets) - len(earlier)) + earlier  # a given first θ has learned several
    rows: list[Row] = []
    for (dataset, digest), then, table, file in zip(recipe.datasets.items(), earlier, tables, pixels, strict=True):
        of_one = recipe.model_copy(update={"datasets": {dataset: digest}})
        job = Job(of_one, [table], [file], config, log)
        batches = job.batches(THEORY, size=1)
        samples = (batches[n] for n in range(recipe.patches))
        found = taylor(job.network(then), job.network(now), samples, LOSSES[recipe.training.loss])
        rows.append({"dataset": dataset, **found})
    return rows
