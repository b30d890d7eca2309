"""The tables of a finished run, as the page, the figures and the paper have them."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from derain.evaluation.reading import read_table


def read_tables(files: Iterable[str | Path], rounding: str) -> dict[str, pd.DataFrame]:
    """Tables by the names of their files, of those with several roundings the rows of one."""
    return {Path(file).stem: of_rounding(read_table(file), rounding) for file in files}


def of_rounding(table: pd.DataFrame, rounding: str) -> pd.DataFrame:
    """The rows of one rounding, where a table tells them apart."""
    return table[table["rounding"] == rounding] if "rounding" in table else table
