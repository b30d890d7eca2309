"""Continual image de-raining by Neural Reorganization (NR, ICCV 2021). The library imports no workflow engine."""

import os
import sys
from pathlib import Path

# The Snakefile sets DERAIN_LIBRARY for every job: the library in its own clone. Recipes hold digests of that code, so
# another installed copy must not run.
_wanted = os.environ.get("DERAIN_LIBRARY")
_here = Path(__file__).resolve().parent
if _wanted and Path(_wanted).resolve() != _here:
    sys.exit(f"error: {_here}: this derain would be imported instead of {_wanted}; uninstall it (pip uninstall derain)")
