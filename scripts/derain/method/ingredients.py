"""The table of ingredients that methods can combine.

The module of an ingredient has some of these functions; `options` come from its section of the config:

    term(network, state, seed, **options) → Term         a term of the loss (derain.method.step)
    batches(batches, state, seed, **options) → Dataset   batches that replace those of the stage's dataset

network: f(·; θⁿ), at the start of the stage; state: arrays by name, or None; seed: (root seed, depth) of the stage. For
random numbers a module combines it with a stream of its own (STREAM).

A change of an ingredient's module reruns only jobs of methods that have it; a change of this table reruns none.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """A state that an ingredient carries from stage to stage, in a file beside θ: `<file>-<kind>.safetensors` after a
    first stage, which methods share, then `<file>.safetensors`.

    kinds: the section of the config that defines its kinds; script: the script that makes it; sees_theta: whether θ of
    the stage is an input, besides its dataset; accumulated: whether it is made for each dataset alone and accumulated
    over the path (rule `accumulate`); otherwise it is made from the state of the stage before.
    """

    file: str
    kinds: str
    script: str
    sees_theta: bool
    accumulated: bool


@dataclass(frozen=True)
class Ingredient:
    """An ingredient. name: its section in a method and its column in training tables; title: the title of its chart."""

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
    Ingredient(
        "distillation",
        "derain.method.distillation",
        "distillation × strength",
        State("intensity", "intensities", "measure", sees_theta=False, accumulated=False),
    ),
    Ingredient(
        "memory",
        "derain.method.memory",
        "memory",
        State("memory", "memories", "remember", sees_theta=False, accumulated=False),
    ),
)
