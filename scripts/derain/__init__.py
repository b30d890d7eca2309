"""Continual image de-raining by Neural Reorganization (NR, ICCV 2021). The library imports no workflow engine."""

import os
import sys
from pathlib import Path

# Of the clone whose code the recipes name: the Snakefile says so to every job.
_wanted = os.environ.get("DERAIN_LIBRARY")
_here = Path(__file__).resolve().parent
if _wanted and Path(_wanted).resolve() != _here:
    sys.exit(
        f"error: {_here}: is another derain than {_wanted}, whose Snakefile runs; uninstall it (pip uninstall derain)"
    )
