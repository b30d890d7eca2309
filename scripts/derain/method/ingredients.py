"""The table of ingredients that methods can combine.

The module of an ingredient has some of these functions; `options` come from its section of the config:

    term(network, state, seed, **options) → Term         a term of the loss (derain.method.step)
    batches(batches, state, seed, **options) → Dataset   batches that replace those of the stage's dataset

network: f(·; θⁿ), at the start of the stage; state: arrays by name, or None; seed: (root seed, depth) of the stage. For
random numbers a module combines it with a stream of its own (STREAM).

The module of a state has the function that makes it after a stage; `options` come from the section of its kind:

    state(samplers, past, **options) → arrays by name

samplers: called with a number of patches, yields each new dataset with a sampler of so many of its training patches;
past: the state after the stage before, empty after a first stage. If `sees_theta`, `theta` is also given, by name.

A change of an ingredient's module reruns only jobs of methods that have it; a change of this table reruns none.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """A state that an ingredient carries from stage to stage, in a file beside θ: `<file>-<kind>.safetensors` after a
    first stage, which methods share, then `<file>.safetensors`.

    kinds: the section of the config that defines its kinds; sees_theta: whether θ of the stage is an input, besides its
    dataset; module: the module that makes it (rule `state`) from the state of the stage before; None for Ω, which rules
    of its own make for each dataset alone (`importance_shard`, `importance`) and accumulate over the path
    (`accumulate`).
    """

    file: str
    kinds: str
    sees_theta: bool
    module: str | None


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
        State("omega", "importances", sees_theta=True, module=None),
    ),
    Ingredient(
        "distillation",
        "derain.method.distillation",
        "distillation × strength",
        State("intensity", "intensities", sees_theta=False, module="derain.method.intensity"),
    ),
    Ingredient(
        "memory",
        "derain.method.memory",
        "memory",
        State("memory", "memories", sees_theta=False, module="derain.method.memory"),
    ),
)
STATES = {ingredient.state.file: ingredient.state for ingredient in INGREDIENTS if ingredient.state}
