"""Why a job runs again, in the words of the config, the data and the library: its recorded parameters against its
present ones.

The engine records the values of a job's parameters as text and without names, as `repr` gives them; a recipe
(derain.plan) is one dict among them, so a cause is found key by key.
"""

from ast import literal_eval
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

NONE = "none"
CODE, IMPORTS = "code: ", "imports: "
SHOWN = 5  # modules


def causes(before: Iterable[str], now: Mapping[str, Any], keys: Mapping[str, str]) -> list[str]:
    """What differs, a phrase for each cause.

    before: the recorded texts that are no present ones; now: the present parameters by name that were not recorded;
    keys: where the sections of a recipe stand in the config ("penalty": "methods.nr.penalty").
    """
    recorded = [literal_eval(text) for text in before]
    found: dict[str, None] = {}
    for name, value in now.items():
        alike = [old for old in recorded if _alike(old, value)]
        if alike:
            old = max(alike, key=lambda old: _shared(old, value))
            recorded.remove(old)
            inside = isinstance(value, dict) and name not in ("code", "datasets")
            for path, was, became in _differences(old, value, () if inside else (name,)):
                found[_phrase(path, was, became, keys)] = None
    return _gathered(found)


def _alike(old: Any, new: Any) -> bool:
    return type(old) is type(new) and (not isinstance(new, dict) or bool(old.keys() & new.keys()) or not (old and new))


def _shared(old: Any, new: Any) -> int:
    """How much of two values is the same, to tell which was which."""
    if isinstance(new, dict | list):
        return len({str(part) for part in old} & {str(part) for part in new})
    return 0


def _differences(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Where two values differ, down to what is no dict; what one of them lacks is None there."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _differences(old.get(key), new.get(key), (*path, str(key)))
    elif old != new:
        yield path, old, new


def _phrase(path: tuple[str, ...], old: Any, new: Any, keys: Mapping[str, str]) -> str:
    section, *rest = path
    if section == "code":
        return f"{CODE if old and new else IMPORTS}{rest[0]}"
    if section == "datasets" and rest:
        return f"dataset {rest[0]} " + ("joined" if old is None else "left" if new is None else "has other pairs")
    if section == "manifest":
        return "other files or pairs of the dataset"
    if section == "initial_weights":
        return ".".join([keys.get(section, section), *rest]) + ": other bytes"
    key = ".".join([keys.get(section, section), *rest])
    if isinstance(old, list) and isinstance(new, list):
        parts = [f"{sign}{_short(x)}" for sign, a, b in (("−", old, new), ("+", new, old)) for x in a if x not in b]
        return f"{key}: {', '.join(parts) if 0 < len(parts) < 4 else f'{len(parts)} differ' if parts else 'order'}"
    return f"{key}: {_short(old)} → {_short(new)}"


def _short(value: Any) -> str:
    if isinstance(value, dict) and "datasets" in value:  # a stage
        return "/".join([str(value.get("method", "")), *value["datasets"]])
    return NONE if value is None else str(value)


def _gathered(phrases: Iterable[str]) -> list[str]:
    """Modules of the library as one cause; those that are merely imported or not, only where nothing else tells why."""
    others = [phrase for phrase in phrases if not phrase.startswith((CODE, IMPORTS))]
    modules = [phrase.removeprefix(CODE) for phrase in phrases if phrase.startswith(CODE)]
    if not modules and not others:
        modules = [phrase.removeprefix(IMPORTS) for phrase in phrases]
    more = f" and {len(modules) - SHOWN} more" if len(modules) > SHOWN else ""
    return others + ([f"code of {', '.join(modules[:SHOWN])}{more}"] if modules else [])
