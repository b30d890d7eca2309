"""Digests of the code that decides a job's numbers: the entry script and every library module that it imports.

Comments, docstrings and formatting do not change a digest. Modules that a job does not import (another backbone, the
page) are not in its digests. Snakemake by itself checks only the modification time of the entry script.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

from derain.files.digest import file_digest

# Modules that decide no number: they print messages, or return and store values unchanged. Modules that only they
# import are left out as well.
NEUTRAL = {
    "derain",
    "derain.allocator",
    "derain.config.methods",
    "derain.config.training",
    "derain.config.values",
    "derain.errors",
    "derain.files.atomic",
    "derain.files.metadata",
    "derain.files.scratch",
    "derain.files.stagestore",
    "derain.method.ingredients",
    "derain.plan.recipes",
    "derain.training.checkpoint",
    "derain.training.devices",
    "derain.training.interruption",
    "derain.training.log",
}

WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
WITHOUT_MEANING = {"ctx", "kind", "type_comment"}  # fields of syntax trees

SCRIPTS = Path(__file__).resolve().parents[2]


@cache
def code_digest(*modules: str) -> dict[str, str]:
    """Digests of modules below `scripts/` ("first", "derain.networks.prenet") and of all they import there, by name.

    There is one digest for each module, so that `why` can name the module that changed. Modules that are imported by
    name at run time (backbones, ingredients of methods) must be arguments too.
    """
    seen: set[Path] = set()
    waiting = [*modules]
    while waiting:
        for path in _paths(waiting.pop()):
            if path not in seen:
                seen.add(path)
                waiting += _read(path)[0]
    return {_name(path): _file_digest(path)[:10] for path in sorted(seen)}


def look_digests(*names: str) -> list[str]:
    """Digests of files that decide the look of pages: styles, templates and scripts in `derain/report`."""
    return [file_digest(SCRIPTS / "derain/report" / name) for name in names]


def _name(path: Path) -> str:
    parts = path.relative_to(SCRIPTS).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _paths(module: str) -> tuple[Path, ...]:
    """The files of a module below `scripts/` and of its packages, without those of NEUTRAL; none for a module of
    another library.
    """
    names = module.split(".")
    counted = [n for n in range(1, len(names) + 1) if ".".join(names[:n]) not in NEUTRAL]
    bases = [SCRIPTS.joinpath(*names[:n]) for n in counted]
    candidates = [path for base in bases for path in (base.with_suffix(".py"), base / "__init__.py")]
    return tuple(path for path in candidates if path.is_file())


def _file_digest(path: Path) -> str:
    """Digest of the syntax tree without docstrings. It has no comments, line breaks, quotes or redundant brackets."""
    return _read(path)[1]


@cache
def _read(path: Path) -> tuple[tuple[str, ...], str]:
    """What a file imports, and its `_file_digest`; from one walk, because every start of Snakemake waits for it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.expr):  # has neither imports nor docstrings
            continue
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from package import name`: the name may be a module of the package or a thing in it.
            found += [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
        elif isinstance(node, WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
        waiting += ast.iter_child_nodes(node)
    return tuple(found), hashlib.sha256(_outline(tree).encode()).hexdigest()


def _outline(node: object) -> str:
    """A node and all below it as text. It leaves out empty fields, because new versions of Python add some, and so
    change the output of `ast.dump`.
    """
    if isinstance(node, ast.AST):
        inside = []
        for name in node._fields:
            value = getattr(node, name, None)
            if value is not None and value != [] and name not in WITHOUT_MEANING:
                inside.append(f"{name}={_outline(value)}")
        return f"({type(node).__name__} {' '.join(inside)})"
    if isinstance(node, list):
        return f"[{' '.join(map(_outline, node))}]"
    return repr(node)
