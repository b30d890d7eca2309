"""Rendering of a sample from its recipe, by the module that the recipe needs."""

import json
from collections.abc import Mapping
from typing import Any

from derain.data.blocks import add_rain_in_blocks
from derain.data.images import Pixels, boxed
from derain.data.layers import Layers
from derain.data.rain import Rain
from derain.data.rendered import render

LARGEST = 2**22  # pixels of an image whose streaks are rendered at once; larger ones take blocks


def code_of(recipe: str) -> str:
    """The module that renders this recipe. Its code, with all that it imports, decides the pixels."""
    made = json.loads(recipe)
    return f"derain.data.{'layers' if 'layer' in made else 'blocks' if _is_large(made) else 'rendered'}"


def render_pair(photograph: Pixels, recipe: str, layers: Layers) -> tuple[Pixels, Pixels]:
    """Render a sample: (rainy, clean), each (H, W, 3) uint8. photograph: the whole one; layers: those that the recipe
    may name.
    """
    made = json.loads(recipe)
    if "layer" in made:
        return layers.render(photograph, made)
    if _is_large(made):
        clean = boxed(photograph, made["box"])
        return add_rain_in_blocks(clean, Rain(**made["rain"]), tuple(made["seed"])), clean
    return render(photograph, recipe)


def _is_large(made: Mapping[str, Any]) -> bool:
    _, _, height, width = made["box"]
    return bool(height * width > LARGEST)
