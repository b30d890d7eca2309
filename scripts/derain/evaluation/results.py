"""The tables of an experiment as data frames."""

from pathlib import Path

import pandas as pd

from derain.errors import UserError, shown
from derain.evaluation.reading import read_table

OF_A_STAGE = ("network", "seed", "method", "datasets", "order", "stage")


def results(folder: str | Path) -> dict[str, pd.DataFrame]:
    """The tables of a finished experiment by name (docs/tables.md), indexed by the columns that name the stage.

    folder: `results`, or `results/NAME` of an experiment with a name. Raises UserError if it has no tables.
    """
    files = sorted(Path(folder, "tables").glob("*.csv"))
    if not files:
        raise UserError(f"{shown(str(folder))}: has no tables/*.csv")
    tables = {file.stem: read_table(file) for file in files}
    return {name: table.set_index([key for key in OF_A_STAGE if key in table]) for name, table in tables.items()}
