"""Continual image de-raining by Neural Reorganization (NR, ICCV 2021). The library imports no workflow engine.

From Python: `load(path)` a network, `restore(network, image)`, `results(folder)` (docs/how-to/restore.md).
"""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

LIBRARY = Path(__file__).resolve().parent
# In a container, Snakemake mounts the run's sys.path here, in which the clone's library is first.
MOUNTED = Path("/mnt/snakemake_searchpaths")


def check_library(wanted: str | Path) -> None:
    """Exit with an error line if this library is not `wanted`, that of the clone whose Snakefile is used: recipes hold
    digests of the clone's code.
    """
    if Path(wanted).resolve() != LIBRARY and not LIBRARY.is_relative_to(MOUNTED):
        sys.exit(
            f"error: {LIBRARY}: this derain would be imported instead of {wanted}; uninstall it (pip uninstall "
            "derain), or install that of the clone (pip install -r requirements.txt, in the clone)"
        )


check_library(os.environ.get("DERAIN_LIBRARY") or LIBRARY)  # set by the Snakefile for every job

PUBLIC = {
    "load": "derain.restoration.loading",
    "restore": "derain.restoration.images",
    "results": "derain.evaluation.results",
}


def __getattr__(name: str) -> Any:
    """Import a function of PUBLIC when it is used: every job imports this package, and most need no torch."""
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)
