"""Digests of the code that decides a job's numbers: of the entry script and every library module that it imports.

Comments, docstrings and formatting do not count; the workflow engine itself sees only the entry script's file time.
What a job does not import (another backbone, the page) cannot change its digest: the cut follows the imports.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

# They tell a person what happens, or keep bytes as they are given them, and decide no number; neither do the modules
# that only they import.
NEUTRAL = {
    "derain",
    "derain.config.sections",
    "derain.errors",
    "derain.files.atomic",
    "derain.files.metadata",
    "derain.files.stagestore",
    "derain.method.ingredients",
    "derain.plan.recipes",
    "derain.training.checkpoint",
    "derain.training.devices",
    "derain.training.interruption",
    "derain.training.log",
}

SCRIPTS = Path(__file__).resolve().parents[2]


@cache
def code_digest(*modules: str) -> dict[str, str]:
    """Digest of each of the modules below `scripts/` ("first", "derain.networks.prenet") and of all they import there.

    One for each module rather than one of all: then what changed can be named. Modules that are imported by name
    (backbones, ingredients of methods) are to be named here as well.
    """
    seen: set[Path] = set()
    waiting = [*modules]
    while waiting:
        for path in _paths(waiting.pop()):
            if path not in seen:
                seen.add(path)
                waiting += _imports(path)
    return {_name(path): _file_digest(path)[:10] for path in sorted(seen)}


def _name(path: Path) -> str:
    parts = path.relative_to(SCRIPTS).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _paths(module: str) -> tuple[Path, ...]:
    """The files of a module below `scripts/` and of the packages that it is in, without what decides nothing; none
    where the module is somebody else's.
    """
    names = module.split(".")
    counted = [n for n in range(1, len(names) + 1) if ".".join(names[:n]) not in NEUTRAL]
    bases = [SCRIPTS.joinpath(*names[:n]) for n in counted]
    candidates = [path for base in bases for path in (base.with_suffix(".py"), base / "__init__.py")]
    return tuple(path for path in candidates if path.is_file())


@cache
def _imports(path: Path) -> tuple[str, ...]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from package import name`: the name may be a module of the package or a thing in it.
            found += [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
    return tuple(found)


@cache
def _file_digest(path: Path) -> str:
    """Of the syntax tree without docstrings; comments, line breaks, quotes and needless brackets are not in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _has_docstring(
            node
        ):
            del node.body[0]
    return hashlib.sha256(_outline(tree).encode()).hexdigest()


def _has_docstring(node: ast.AST) -> bool:
    return ast.get_docstring(node, clean=False) is not None  # type: ignore[arg-type]


def _outline(node: object) -> str:
    """A node and all below it as text. Empty fields are left out: new versions of Python add some, and `ast.dump`
    changes with them.
    """
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if name not in ("ctx", "kind", "type_comment"))
        inside = " ".join(f"{name}={_outline(value)}" for name, value in fields if value is not None and value != [])
        return f"({type(node).__name__} {inside})"
    if isinstance(node, list):
        return f"[{' '.join(map(_outline, node))}]"
    return repr(node)
