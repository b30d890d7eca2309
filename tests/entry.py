"""What Snakemake passes to an entry script: stand-ins for its wildcards, files and jobs."""

import runpy
from types import SimpleNamespace
from typing import Any

from places import REPOSITORY


class Wildcards(SimpleNamespace):
    """As the engine hands them on: by attribute, and by `get`."""

    def get(self, name: str, default: Any = None) -> Any:
        return getattr(self, name, default)


class Files(dict):
    """Named inputs or outputs, by name, by attribute and by number; one after the other they are the files."""

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __iter__(self) -> Any:
        return iter(self.values())

    def __getitem__(self, key: Any) -> Any:
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)


def run_script(name: str, **job: Any) -> None:
    """Run an entry script in this process, as a job with these attributes; by default without limits, store and checks
    of what made its inputs.
    """
    job["params"] = Files({"entry": "", "recipes": {}} | job.get("params", {}))
    engine = SimpleNamespace(**{"resources": {}} | job)
    runpy.run_path(str(REPOSITORY / "scripts" / f"{name}.py"), init_globals={"snakemake": engine})
