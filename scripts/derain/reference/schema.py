"""The JSON schema of config.yaml, from the models of `derain.config`.

JSON Schema draft 7, which editors support. It covers single keys: names, types, bounds, required keys. Rules over
several keys (`derain.config.experiment`) and files on disk are checked by the workflow alone.
"""

from collections.abc import Callable
from typing import Any

from derain.config.experiment import Experiment
from derain.config.values import LARGEST

# Bounds that pydantic writes in its own words, behind a validator: the word of JSON Schema; the tighter of two.
BOUNDS: dict[str, tuple[str, Callable[..., Any]]] = {
    "ge": ("minimum", max),
    "gt": ("exclusiveMinimum", max),
    "le": ("maximum", min),
    "lt": ("exclusiveMaximum", min),
}
WORDS = {word for word, _ in BOUNDS.values()}
DRAFT = "http://json-schema.org/draft-07/schema#"


def config_schema() -> dict[str, Any]:
    """The schema as JSON values."""
    schema: dict[str, Any] = _plain(Experiment.model_json_schema(mode="validation"))
    return {"$schema": DRAFT, "title": "derain: config.yaml", **schema}


def _plain(schema: Any) -> Any:
    """Without what editors need not know: generated titles, pydantic's discriminators, formats; pairs as draft 7 has
    them.
    """
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for key, part in schema.items():
        if key in ("properties", "$defs"):  # names of keys and models, not words of the schema
            found[key] = {name: _plain(below) for name, below in part.items()}
        elif key in ("default", "enum", "const"):
            found[key] = part
        elif key in BOUNDS and part == LARGEST:
            continue  # no bound that a person meets
        elif key in BOUNDS:
            word, tighter = BOUNDS[key]
            found[word] = tighter(part, schema.get(word, part))
        elif key in WORDS and key in found:
            continue  # the tighter one is there
        elif key == "prefixItems":
            first, *others = map(_plain, part)
            assert all(other == first for other in others)
            found["items"] = first
        elif key == "description":
            found[key] = " ".join(part.split())
        elif key not in ("title", "discriminator", "format"):
            found[key] = _plain(part)
    return found
