from pathlib import Path

from derain.evaluation.results import results as results
from derain.restoration.images import restore as restore
from derain.restoration.loading import load as load

LIBRARY: Path

def check_library(wanted: str | Path) -> None: ...
