"""Reads the tables of a finished run for the page, the figures and the tables for a paper."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from derain.evaluation.reading import read_table


def read_tables(files: Iterable[str | Path], rounding: str) -> dict[str, pd.DataFrame]:
    """Return tables by file name without suffix; of tables with several roundings only the rows of one."""
    return {Path(file).stem: of_rounding(read_table(file), rounding) for file in files}


def of_rounding(table: pd.DataFrame, rounding: str) -> pd.DataFrame:
    """Return the rows of one rounding; the whole table if it has no column `rounding`."""
    return table[table["rounding"] == rounding] if "rounding" in table else table
