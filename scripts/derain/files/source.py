"""The source of a network class that a config names as FILE.py:CLASS or MODULE:CLASS.

FILE.py is a Python file; the files beside it that it imports belong to it, unless they are named like a module of the
standard library. MODULE is a module of an installed package. Nothing is imported or run here.
"""

import ast
import hashlib
import json
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

from derain.errors import UserError, shown
from derain.files.regular import open_regular

SUFFIX = ".py"


@dataclass(frozen=True)
class Source:
    """The source of a class. name: of the class; module: the module that has it; files: path and content of each file
    that counts, by the name of its module; versions: of the distributions of an installed package.
    """

    name: str
    module: str
    files: Mapping[str, tuple[Path, bytes]]
    versions: Mapping[str, str] = field(default_factory=dict)
    is_file: bool = True

    @property
    def digest(self) -> str:
        """sha256 of everything that counts. The folder and the name of a file do not: a copy has the same digest."""
        contents = {
            "" if self.is_file and name == self.module else name: hashlib.sha256(content).hexdigest()
            for name, (_, content) in self.files.items()
        }
        return hashlib.sha256(json.dumps([contents, dict(self.versions)], sort_keys=True).encode()).hexdigest()


def file_of(place: str) -> Path | None:
    """The file in FILE.py:CLASS; None for MODULE:CLASS."""
    file = place.rpartition(":")[0]
    return Path(file) if file.endswith(SUFFIX) else None


def read_source(place: str) -> Source:
    """Read the source of FILE.py:CLASS or MODULE:CLASS. Raises UserError if a file is missing or is no Python."""
    module, _, class_name = place.rpartition(":")
    file = file_of(place)
    if file is None:
        return _of_package(module, class_name)
    files: dict[str, tuple[Path, bytes]] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if _module(path) not in files:
            content = _content(path)
            files[_module(path)] = path, content
            imported = set(_imports(path, content)) - sys.stdlib_module_names
            beside = (path.with_name(f"{name}{SUFFIX}") for name in sorted(imported))
            waiting += [each for each in beside if each.is_file()]
    return Source(class_name, _module(file), files)


def _module(path: Path) -> str:
    """The name of a file as a module."""
    return path.stem.replace(".", "-")  # a dot would name a package; no import statement can name the file anyway


def _of_package(module: str, name: str) -> Source:
    """The source of a module of an installed package: its file, and the versions of the package's distributions."""
    top, *inner = module.split(".")
    try:
        found = find_spec(top)  # imports nothing, as long as the name has no dot
    except ValueError:  # a module of this process without a spec
        found = None
    for n in range(len(inner)):
        places = found.submodule_search_locations if found else None
        found = PathFinder.find_spec(".".join([top, *inner[: n + 1]]), places) if places else None
    if found is None:
        raise UserError(f"no module {module} is installed; a file is named FILE{SUFFIX}:CLASS")
    if not found.has_location or not str(found.origin).endswith(SUFFIX):
        raise UserError(f"the module {module} has no Python source")
    path = Path(str(found.origin))
    return Source(name, module, {module: (path, _content(path))}, _versions(top), is_file=False)


def _versions(package: str) -> dict[str, str]:
    """The version of the distribution that has the package's name or, if there is none, of those that contain it."""
    try:
        return {package: version(package)}
    except PackageNotFoundError:  # the table of all distributions takes a second
        return {name: version(name) for name in sorted(packages_distributions().get(package, []))}


def _content(path: Path) -> bytes:
    """The bytes of a file of Python. Raises UserError."""
    file = shown(str(path))
    try:
        with open_regular(path) as opened:
            content = opened.read()
        _tree(content)
    except SyntaxError as error:
        raise UserError(f"{file}:{error.lineno or 1}: is no Python ({error.msg})") from None
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"{file}: cannot be read as Python ({error})") from None
    return content


def _tree(content: bytes) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of literals in the user's file
        return ast.parse(content)


def _imports(path: Path, content: bytes) -> Iterator[str]:
    """The names in a source that may be files beside it."""
    for node in ast.walk(_tree(content)):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level > 1:
                raise UserError(f"{shown(str(path))}:{node.lineno}: imports from the folder above; install a package")
            yield from [node.module.partition(".")[0]] if node.module else [name.name for name in node.names]
