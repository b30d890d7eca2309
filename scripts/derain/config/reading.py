"""Strict reading of a config's text, YAML or JSON: input that PyYAML would drop or misread is an error.

PyYAML keeps the last of two equal keys, reads 010 as 8, and makes dates, sets and Python objects. Snakemake reads the
config files with it before it runs the Snakefile, so `check_files` reads the same files again.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from derain.errors import UserError, shown

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TAGS = {f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null")}
MERGE = "tag:yaml.org,2002:merge"  # tag of the key <<
OCTAL = re.compile(r"[+-]?0[0-7_]+")
TEMPLATE = "__use_yte__"
DEEPEST = 100  # levels of nested sections and lists


def load(text: str, name: str) -> Any:
    """Parse a config's text. name: of its file, for messages. Raises UserError with a line for each fault."""
    text = text.removeprefix("\ufeff")
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, name))
    except (ValueError, RecursionError):
        pass  # not JSON; like Snakemake, try YAML next
    try:
        faults = list(_faults(yaml.compose(text, Loader)))
        if not faults:
            return yaml.load(text, Loader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        faults = [(mark.line if mark else 0, f"is no YAML: {error.problem or error.context}")]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        faults = [(0, f"is no YAML: {str(error).splitlines()[0]}")]
    raise UserError("\n".join(f"{name}:{line + 1}: {fault}" for line, fault in faults))


def load_file(file: str | Path) -> Any:
    """Parse a config file. Raises UserError."""
    name = shown(str(file))
    try:
        text = Path(file).read_bytes().decode()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UserError(f"{name}: the config cannot be read: {reason}") from None
    return load(text, name)


def check_files(files: Iterable[str | Path], overrides: Iterable[str] = ()) -> None:
    """Raise UserError for dropped or ambiguous input in config files and in `--config key=value ...`."""
    faults = []
    for file in files:
        faults += _faults_of(lambda file=file: load_file(file))
    keys: set[str] = set()
    for override in overrides:
        key, _, value = override.partition("=")
        if key in keys:
            faults.append(f"--config {key}: is defined twice")
        keys.add(key)
        faults += _faults_of(lambda value=value, key=key: load(value, f"--config {key}"))
    if faults:
        raise UserError("\n".join(faults))


def _faults_of(read: Any) -> list[str]:
    try:
        read()
    except UserError as error:
        return str(error).splitlines()
    return []


def _once(pairs: list[tuple[str, Any]], name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise UserError(f"{name}: the key {shown(key)!r} is defined twice in one section")
        found[key] = value
    return found


def _faults(node: yaml.Node | None, depth: int = 0, seen: set[int] | None = None) -> Iterator[tuple[int, str]]:
    """(line, fault) for each fault of a document. seen: ids of visited nodes, because an alias repeats a node."""
    seen = set() if seen is None else seen
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    line = node.start_mark.line
    if depth > DEEPEST:
        yield line, f"more than {DEEPEST} levels of nested sections and lists"
    elif node.tag not in TAGS:
        yield line, _foreign(node)
    elif isinstance(node, yaml.ScalarNode):
        if node.tag.endswith(":int") and OCTAL.fullmatch(node.value):
            value = node.value.replace("_", "")
            yield line, f"{node.value} is octal in YAML, {int(value, 8)}; write it without the leading 0, or in quotes"
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _faults(child, depth + 1, seen)
    else:
        yield from _section_faults(node, depth, seen)


def _section_faults(section: yaml.MappingNode, depth: int, seen: set[int]) -> Iterator[tuple[int, str]]:
    lines: dict[tuple[str, str], int] = {}
    for key, value in section.value:
        line = key.start_mark.line
        if not isinstance(key, yaml.ScalarNode):
            yield line, "a key must be text, not a list or a section"
            continue
        name = (key.tag, key.value)
        if name in lines:
            yield line, f"the key {shown(key.value)!r} is defined twice in one section, first in line {lines[name] + 1}"
        lines.setdefault(name, line)
        if depth == 0 and key.value == TEMPLATE:
            yield line, f"{TEMPLATE} is not supported: a config holds values, and a template runs code to make them"
        if key.tag != MERGE:
            yield from _faults(key, depth + 1, seen)
        yield from _faults(value, depth + 1, seen)


def _foreign(node: yaml.Node) -> str:
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if isinstance(node, yaml.ScalarNode) and kind in ("timestamp", "value"):
        return f"{shown(node.value)} is no text in YAML ({kind}); put it in quotes"
    return f"the tag {shown(kind)!r} is not supported"
