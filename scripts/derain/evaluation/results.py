"""The tables of an experiment as data frames."""

from pathlib import Path

import pandas as pd

from derain.errors import UserError, shown
from derain.evaluation.reading import read_table

OF_A_STAGE = ("network", "seed", "method", "datasets", "order", "stage")


def results(folder: str | Path) -> dict[str, pd.DataFrame]:
    """The tables of a finished experiment by name, indexed by the columns that name the stage.

    docs/reference/tables.md describes the columns. A table whose rows belong to no stage, as that of costs, has the
    index 0, 1, ... folder: `results`, or `results/NAME` of an experiment with a name. Raises
    UserError if it has no tables.
    """
    files = sorted(Path(folder, "tables").glob("*.csv"))
    if not files:
        named = sorted(tables.parent.name for tables in Path(folder).glob("*/tables") if tables.is_dir())
        hint = f", but those of experiments with a name: {', '.join(map(shown, named))}" if named else ""
        nowhere = "there is no such folder"
        if not Path(folder).is_absolute():
            nowhere += f" in {shown(str(Path.cwd()))}; start in the folder of the experiment, which holds `results`"
        reason = f"has no tables/*.csv{hint}" if Path(folder).is_dir() else nowhere
        raise UserError(f"{shown(str(folder))}: {reason}")
    return {file.stem: _indexed(read_table(file)) for file in files}


def _indexed(table: pd.DataFrame) -> pd.DataFrame:
    keys = [key for key in OF_A_STAGE if key in table]
    return table.set_index(keys) if keys else table
