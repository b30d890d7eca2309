"""Translates pydantic's validation errors into the config's terms: one line per fault, with the path of the key as the
user wrote it and, for an unknown name, the nearest known one.
"""

import difflib
import reprlib
from collections.abc import Iterable
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from derain.errors import shown

SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = SHORT.maxlong = 200


def fault_lines(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """One line for each fault. root: the model where the locations of the faults begin."""
    faults = error.errors()
    misspelt = {_suggested(fault, root) for fault in faults if fault["type"] == "extra_forbidden"}
    # A misspelt required key is reported once, as unknown, and not also as missing.
    faults = [fault for fault in faults if not (fault["type"] == "missing" and fault["loc"] in misspelt)]
    return [line for fault in faults for line in _lines_of(fault, root)]


def _lines_of(fault: ErrorDetails, root: type[BaseModel]) -> list[str]:
    """The lines for one fault that pydantic found."""
    if fault["loc"] and fault["loc"][-1] == "[key]":
        return [
            f"{_locate(fault['loc'][:-2], root)[1]}: the name {in_short(fault['input'])} is no text; put it in quotes"
        ]
    section, where = _locate(fault["loc"], root)
    value, context = fault["input"], fault.get("ctx", {})
    match fault["type"]:
        case "extra_forbidden":
            return [f"{where}: unknown key{nearest_known(str(fault['loc'][-1]), section.model_fields)}"]
        case "missing":
            return [f"{where}: is missing"]
        case "value_error":
            lines = str(context["error"]).splitlines()  # a line that begins with a dot continues the path
            return [f"{where}{line}" if line[0] == "." else f"{where}: {line}" if where else line for line in lines]
        case "literal_error":
            allowed = _literals(_value_type(section, fault["loc"][-1]))
            nearest = nearest_known(value, allowed, list_all=False)
            return [f"{where}: {in_short(value)} is not one of {', '.join(allowed)}{nearest}"]
        case "union_tag_invalid":
            kind, allowed = context["discriminator"].strip("'()"), context["expected_tags"].replace("'", "").split(", ")
            nearest = nearest_known(context["tag"], allowed, list_all=False)
            return [f"{where}.{kind}: {in_short(context['tag'])} is not one of {', '.join(allowed)}{nearest}"]
        case "union_tag_not_found" if not isinstance(value, dict):
            return [f"{where}: should be keys with values, not {in_short(value)}"]
        case "union_tag_not_found":
            kind = context["discriminator"].strip("'()")
            written = difflib.get_close_matches(kind, map(str, value), n=1)
            if written:
                return [f"{where}.{written[0]}: unknown key; did you mean {kind!r}?"]
            return [f"{where}.{kind}: is missing"]
        case "model_type" | "dict_type" | "model_attributes_type":
            return [f"{where}: should be keys with values, not {in_short(value)}"]
        case "tuple_type":
            return [f"{where}: should be a list, not {in_short(value)}"]
        case "too_long":
            return [f"{where}: lists {context['actual_length']} values, more than {context['max_length']}"]
        case "string_type" if isinstance(value, bool | int | float):
            return [f"{where}: should be text, and {in_short(value)} is not text in YAML; put it in quotes"]
        case "too_short":  # pydantic also reports it for a list with only wrong items, which have faults of their own
            return [] if value else [f"{where}: is empty"]
    return [f"{where}: {fault['msg'].replace('Input should', 'should')}, not {in_short(value)}"]


def in_short(value: Any) -> str:
    """A value as one short line."""
    return cut(SHORT.repr(value))  # not repr(value): YAML aliases can make it huge


def cut(text: str) -> str:
    """Cut a text to at most 60 characters."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def _suggested(fault: ErrorDetails, root: type[BaseModel]) -> tuple[int | str, ...]:
    """Location of the known key that is nearest to an unknown one; the parent's location if none is near."""
    section, _ = _locate(fault["loc"], root)
    return (*fault["loc"][:-1], *difflib.get_close_matches(str(fault["loc"][-1]), section.model_fields, n=1))


def _locate(location: tuple[int | str, ...], root: type[BaseModel]) -> tuple[Any, str]:
    """The type that contains a fault's key, and the path of the key as the user wrote it."""
    parent: Any = None
    below: Any = root
    path = ""
    for part in location:
        choices = [choice for choice in _choices(below) if choice is not type(None)]
        if len(choices) > 1:  # pydantic adds the chosen layout to the location; the config has no such level
            below = next(choice for choice in choices if part in _tags(choice))
            continue
        parent, below = choices[0], _value_type(choices[0], part)
        path += f"[{part}]" if isinstance(part, int) else f".{cut(shown(part))}"
    return parent, path.removeprefix(".")


def _value_type(parent: Any, key: int | str) -> Any:
    """The type of the value under a key of a section, of a table by name or of a list."""
    if isinstance(parent, type) and issubclass(parent, BaseModel):
        field = parent.model_fields.get(str(key))
        return field.annotation if field else Any
    arguments = get_args(parent)
    return arguments[1 if get_origin(parent) is dict else 0] if arguments else Any


def _choices(annotation: Any) -> tuple[Any, ...]:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _literals(annotation: Any) -> list[str]:
    """The allowed values of a key, without None."""
    return [value for choice in _choices(annotation) if choice is not type(None) for value in get_args(choice)]


def _tags(choice: Any) -> list[Any]:
    """The names that pydantic gives to a choice of a union: its tag, or the literal values of its fields."""
    if get_origin(choice) is Annotated:
        return [hint.tag for hint in get_args(choice)[1:] if isinstance(hint, Tag)]
    return [value for field in choice.model_fields.values() for value in get_args(field.annotation)]


def nearest_known(name: Any, known: Iterable[str], list_all: bool = True) -> str:
    """A hint for a wrong name: the most similar known name or, with list_all, all known names."""
    known = list(known)
    close = difflib.get_close_matches(str(name), known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f" (known: {', '.join(known) or 'none'})" if list_all else ""
