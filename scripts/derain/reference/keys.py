"""The keys of a config, from the models of `derain.config`, and their reference, docs/reference/config.md."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from derain.config.datasets import RainLayers
from derain.config.experiment import Experiment
from derain.config.networks import OWN_CLASS
from derain.config.orders import Orders
from derain.config.values import Section
from derain.data.samples import USES
from derain.reference.schema import config_schema

NAME = "NAME"  # stands for any name that a config gives
INTRODUCTION = """# The keys of a config

Generated from `scripts/derain/config`; [CONTRIBUTING.md](../../CONTRIBUTING.md) says how to renew it. `NAME` stands for
a name of your choice: letters, digits, `.`, `_` and `-`. A key that has no default is required. An unknown key is an
error. Editors that read JSON schemas check names, types and bounds while you type, and show these descriptions:
[config.schema.json](config.schema.json), named in the first line of `config.yaml`.

*Decides* lists the results whose recipe or inputs contain the key. All that is made from such a result follows, so a
score follows the θ that is scored. A key with – is in no recipe: another value trains nothing and scores nothing anew.
The lists come from the plan: `scripts/derain/reference/decides.py` changes each key in an example experiment and
compares the recipes.

| pairs of a dataset | decide |
|---|---|
"""


@dataclass(frozen=True)
class Keys:
    """The keys of a section. paths: where the section stands, "" for the top; model: its keys; note: which of several
    sections at this place.
    """

    paths: tuple[str, ...]
    model: type[BaseModel]
    note: str = ""

    @property
    def title(self) -> str:
        """The heading of the section."""
        places = ", ".join(f"`{path}`" for path in self.paths if path) or "The top of the file"
        return f"{places}, {self.note}" if self.note else places

    def path(self, key: str) -> str:
        """The path of a key, where its section first stands."""
        return f"{self.paths[0]}.{key}".removeprefix(".")


def sections() -> list[Keys]:
    """All sections, each behind the one that holds it."""
    found: dict[type[BaseModel], Keys] = {}
    for path, model in _models("", Experiment):
        paths = found[model].paths if model in found else ()
        found[model] = Keys(tuple(dict.fromkeys((*paths, path))), model, _note(path, model))
    return list(found.values())


def _models(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    yield path, model
    for name, field in model.model_fields.items():
        if model is Experiment and name == "orders":
            yield from _models(name, Orders)
        for below, inner in sections_in(field.annotation):
            yield from _models(f"{path}.{name}{below}".removeprefix("."), inner)


def sections_in(annotation: Any) -> Iterator[tuple[str, type[Section]]]:
    """The sections that a key's type names, each with the rest of its path."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield "", annotation
        return
    below = f".{NAME}" if get_origin(annotation) is dict else ""
    for argument in get_args(annotation):
        for rest, model in sections_in(argument):
            yield f"{below}{rest}", model


def _note(path: str, model: type[BaseModel]) -> str:
    if model is Orders:
        return "by rule"
    if backbone := model.model_fields.get("backbone"):
        return f"backbone `{(*get_args(backbone.annotation), OWN_CLASS)[0]}`"
    if model is RainLayers:
        return "layers of another dataset"
    layout = model.model_fields.get("layout")
    if not layout:
        return ""
    return "layout `rendered`" if get_args(layout.annotation) == ("rendered",) else "other layouts"


def is_section(model: type[BaseModel], name: str) -> bool:
    """Whether a key holds sections, whose keys have rows of their own."""
    return any(sections_in(model.model_fields[name].annotation))


def config_page(decided: Mapping[tuple[Keys, str], str], pairs: Mapping[str, str]) -> str:
    """The text of config.md. decided: what each key decides, by section and name; pairs: what pairs decide, by use."""
    schema = config_schema()
    of_use = {use: f"{' and '.join(splits)} pairs".replace("train ", "training ") for use, splits in USES.items()}
    parts = [INTRODUCTION + "".join(f"| {of_use[use]} | {what} |\n" for use, what in pairs.items())]
    for section in sections():
        of_model = schema if section.model is Experiment else schema["$defs"][section.model.__name__]
        parts.append(f"## {section.title}\n\n{' '.join((section.model.__doc__ or '').split())}\n")
        parts.append("| key | values | default | meaning | decides |\n|---|---|---|---|---|")
        for name, field in section.model.model_fields.items():
            schema_of_key = of_model["properties"][name]
            values = "one section" if is_section(section.model, name) else _values(schema_of_key)
            if any(choice.get("type") == "array" for choice in schema_of_key.get("oneOf", [])):
                values = "one section, or a list of sections"
            if is_section(section.model, name) and get_origin(field.annotation) is dict:
                values = "sections by name"
            what = "its keys" if is_section(section.model, name) else decided[section, name]
            cells = [f"`{name}`", values, _default(field), field.description or "", what]
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("")
    return "\n".join(parts)


def _values(schema: Mapping[str, Any]) -> str:
    """The values that a key takes, in words."""
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_values(choice) for choice in choices if choice.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum") or [schema["const"]])
    if "$ref" in schema:
        return "a section"
    match schema["type"]:
        case "array":
            if schema.get("maxItems") == schema.get("minItems") == 2:
                return f"[low, high], each {_values(schema['items'])}"
            low, high = schema.get("minItems"), schema.get("maxItems")
            if high:
                count = high if low == high else f"{low or 0} to {high}"
                return f"list of {count}, each {_values(schema['items'])}"
            return f"list of {_values(schema['items'])}" + (", not empty" if schema.get("minItems") else "")
        case "boolean":
            return "`true`, `false`"
        case "integer" | "number":
            return f"{schema['type']}{_bounds(schema)}"
        case "object":
            of_values = schema.get("additionalProperties")
            return f"{_values(of_values) if isinstance(of_values, dict) else 'values'} by name"
    return "text"


def _bounds(schema: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {schema[key]:,}" for key, sign in signs.items() if key in schema]
    return f" {', '.join(found)}" if found else ""


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "its defaults"
    shown = list(value) if isinstance(value, tuple) else value
    return f"`{json.dumps(shown, separators=(',', ':')) if not isinstance(shown, str) else shown}`"
