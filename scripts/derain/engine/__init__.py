"""Adapter to Snakemake: one package, because all uses of undocumented parts of Snakemake are to be seen together.

tests/engine has a test for each of these parts, which fails if another version of Snakemake changes it. Each function
imports what it needs of Snakemake itself, because every job imports these modules through the Snakefile.
"""

from pathlib import Path

VERSION = "9.27.0"  # of Snakemake, which this package was written for
FOLDER = Path(".snakemake")
LOCKS, LOGS = "locks", "log"  # folders in FOLDER
RUN = "run"  # file in FOLDER: the lock of a run
