"""What a method can be made of: the one table of ingredients.

A module of an ingredient has one of these functions, or both; `options` are the ingredient's section of the config:

    term(network, state, seed, **options) → Term         a term of the loss (derain.method.step)
    batches(batches, state, seed, **options) → Dataset   the batches of the stage, in the place of those of its dataset

network: f(·; θⁿ), where the stage starts; state: arrays by name, or None; seed: what tells stages apart, for random
numbers, to which a module adds a number of its own (STREAM).

The module of an ingredient decides only the stages of methods that have it; this table decides none.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """What an ingredient carries from stage to stage, in a file beside θ: `<file>-<kind>.safetensors` after a first
    stage, which methods share, then `<file>.safetensors`.

    kinds: section of the config with the kinds that there are; script: which makes the state; sees_theta: from θ of
    the stage, beside its dataset; accumulated: whether it is made for each dataset alone and then accumulated over
    the path (rule `accumulate`), or made from the state of the stage before.
    """

    file: str
    kinds: str
    script: str
    sees_theta: bool
    accumulated: bool


@dataclass(frozen=True)
class Ingredient:
    """name: of its section in a method, and of its column in training tables; title: of its chart."""

    name: str
    module: str
    title: str
    state: State | None = None


INGREDIENTS = (
    Ingredient(
        "penalty",
        "derain.method.penalty",
        "penalty × strength",
        State("omega", "importances", "importance_shard", sees_theta=True, accumulated=True),
    ),
    Ingredient("distillation", "derain.method.distillation", "distillation × strength"),
    Ingredient(
        "memory",
        "derain.method.memory",
        "memory",
        State("memory", "memories", "remember", sees_theta=False, accumulated=False),
    ),
)
