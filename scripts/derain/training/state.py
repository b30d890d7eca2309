"""The training patches that the state of a stage is made from (rule `state`)."""

from collections.abc import Iterator, Sequence

from derain.data import store
from derain.data.patches import PatchSampler
from derain.plan.recipes import StateRecipe
from derain.training.streams import STATE


def samplers(
    recipe: StateRecipe, tables: Sequence[str], pixels: Sequence[str], count: int
) -> Iterator[tuple[str, PatchSampler]]:
    """Each dataset of the recipe, with a sampler of its training pairs, `count` patches a batch.

    tables, pixels: the files of its stores, in the order of the recipe. Raises UserError if a store is damaged.
    """
    each = zip(recipe.datasets.items(), tables, pixels, strict=True)
    for n, ((dataset, digest), table, file) in enumerate(each, recipe.depth - len(recipe.datasets) + 1):
        pairs = store.PackedPairs([(table, file, digest)], "train")
        yield dataset, PatchSampler(pairs, recipe.patch, count, (recipe.seed, STATE, n))
