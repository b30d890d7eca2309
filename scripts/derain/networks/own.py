"""The backbone of a user: a class of a Python file or of an installed package (derain.files.source)."""

import builtins
import difflib
import hashlib
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any

from torch import nn

from derain.errors import UserError, shown
from derain.files.source import Source, read_source

LONGEST = 300  # characters of the text of an exception


def Network(class_name: str, options: Mapping[str, Any], places: Sequence[str], digest: str) -> nn.Module:  # noqa: N802 (as in each backbone)
    """Build a network of a class. class_name: its name; options: its arguments; places: where it may be, FILE.py:CLASS
    or MODULE:CLASS; digest: of its source. Raises UserError if no place has a source of this digest.
    """
    named = [place for place in places if place.rpartition(":")[2] == class_name]
    for place in named:
        with suppress(UserError):  # a file that is gone has changed
            source = read_source(place)
            if source.digest == digest:
                break
    else:
        raise UserError(f"{shown(', '.join(named)) or class_name}: changed since this run began; run again")
    return built(source, network_class(source), options)


def network_class(source: Source) -> type[nn.Module]:
    """Import the class. A file and the files beside it get private module names, so that they replace no other module.
    Raises UserError, also for exceptions of the imported code.
    """
    try:
        module = import_module(_private(source) if source.is_file else source.module)
    except (Exception, SystemExit) as error:
        raise UserError(f"cannot be imported: {fault_of(error, source)}") from error
    found = getattr(module, source.name, None)
    if found is None:
        classes = [name for name, value in vars(module).items() if isinstance(value, type)]
        close = difflib.get_close_matches(source.name, classes, n=1)
        raise UserError(f"has no class {source.name!r}{f'; did you mean {close[0]!r}?' if close else ''}")
    if not isinstance(found, type) or not issubclass(found, nn.Module):
        raise UserError(f"{source.name} is no class derived from torch.nn.Module")
    return found


def built(source: Source, network: type[nn.Module], options: Mapping[str, Any]) -> nn.Module:
    """A network of the class. Raises UserError for an exception of its constructor."""
    try:
        return network(**options)
    except (Exception, SystemExit) as error:
        raise UserError(f"{source.name} cannot be built: {fault_of(error, source)}") from error


def fault_of(error: BaseException, source: Source) -> str:
    """An exception of the user's code in one line: its type, its text, and the last line of the source in its trace."""
    files = {str(path): path.name for path, _ in source.files.values()}
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    text = shown(" ".join(str(error).split()))
    where = f" ({shown(files[lines[-1].filename])}:{lines[-1].lineno})" if lines else ""
    return f"{type(error).__name__}: {text[:LONGEST]}{where}" if text else f"{type(error).__name__}{where}"


def _private(source: Source) -> str:
    """Make the files of a source importable under private names. Returns the name of the module with the class."""
    place = f"{source.digest} {source.files[source.module][0]}"
    package = f"derain_own_{hashlib.sha256(place.encode()).hexdigest()[:16]}"
    if not any(isinstance(finder, _Files) and finder.package == package for finder in sys.meta_path):
        sys.meta_path.append(_Files(package, source))
    return f"{package}.{source.module}"


class _Files(MetaPathFinder, Loader):
    """Imports the files of a source as modules of a package, from the bytes whose digest is known."""

    def __init__(self, package: str, source: Source) -> None:
        self.package, self.files = package, source.files

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The spec of the package or of one of its modules."""
        del path, target
        package, _, module = name.rpartition(".")
        if name == self.package:
            return ModuleSpec(name, self, is_package=True)
        if package == self.package and module in self.files:
            spec = ModuleSpec(name, self, origin=str(self.files[module][0]))
            spec.has_location = True
            return spec
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run the source of a module; the package itself is empty."""
        if module.__name__ != self.package:
            path, content = self.files[module.__name__.rpartition(".")[2]]
            code: CodeType = compile(content, str(path), "exec", dont_inherit=True)
            # `import blocks` finds blocks.py beside the file, as in a script, without its folder in sys.path.
            vars(module)["__builtins__"] = vars(builtins) | {"__import__": self._import}
            exec(code, vars(module))  # noqa: S102 (the user's code)

    def _import(
        self, name: str, globals: Any = None, locals: Any = None, fromlist: Sequence[str] = (), level: int = 0
    ) -> ModuleType:
        if level == 0 and name.partition(".")[0] in self.files.keys() - sys.stdlib_module_names:
            return import_module(f"{self.package}.{name}")
        return __import__(name, globals, locals, fromlist, level)
