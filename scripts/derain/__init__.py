"""Continual image de-raining by Neural Reorganization (NR, ICCV 2021). The library imports no workflow engine."""

import os
import sys
from pathlib import Path

LIBRARY = Path(__file__).resolve().parent


def check_library(wanted: str | Path) -> None:
    """Exit with an error line if this library is not `wanted`, that of the clone whose Snakefile is used: recipes hold
    digests of the clone's code.
    """
    if Path(wanted).resolve() != LIBRARY:
        sys.exit(
            f"error: {LIBRARY}: this derain would be imported instead of {wanted}; uninstall it (pip uninstall "
            "derain), or take it out of PYTHONPATH"
        )


check_library(os.environ.get("DERAIN_LIBRARY") or LIBRARY)  # set by the Snakefile for every job
