"""What the page is made from, read from the results folder: tables, previews of stages, test pairs."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from derain.curriculum import in_tables
from derain.data.store import PackedPairs
from derain.evaluation.tables import read_table
from derain.report.pictures import Output, previews_in

IMAGE = ["dataset", "image"]


def read_tables(files: Iterable[str | Path], rounding: str) -> dict[str, pd.DataFrame]:
    """Tables by the names of their files, of those with several roundings the rows of one."""
    tables = {Path(file).stem: read_table(file) for file in files}
    return {name: _of_rounding(table, rounding) for name, table in tables.items()}


def _of_rounding(table: pd.DataFrame, rounding: str) -> pd.DataFrame:
    return table[table["rounding"] == rounding] if "rounding" in table else table


def rainy_psnr(files: Iterable[str | Path]) -> dict[tuple[str, str], float]:
    """PSNR on Y of rainy inputs by (dataset, image). files: rainy.csv of datasets."""
    scores = pd.concat([read_table(file) for file in files], ignore_index=True)
    return _psnr(scores)


def outputs(shown: Iterable[Mapping[str, Any]], scores: pd.DataFrame) -> list[Output]:
    """Stages with the previews that they have. shown: of `PagePlan.shown`; scores: tables/scores.csv."""
    stages = scores.groupby(["network", "seed", "method", "datasets"], sort=False)
    found = []
    for line in shown:
        of = line["of"]
        key = (of["network"], of["seed"], of["method"], in_tables(of["datasets"]))
        psnr = _psnr(stages.get_group(key)) if key in stages.groups else {}
        previews = previews_in(file for file in line["files"] if Path(file).is_file())
        found.append(Output(line["method"], line["order"], line["learned"], line["final"], previews, psnr))
    return found


def _psnr(scores: pd.DataFrame) -> dict[tuple[str, str], float]:
    values: dict[tuple[str, str], float] = scores.set_index(IMAGE)["psnr_y_db"].to_dict()
    return values


def test_pairs(names: Sequence[str], tables: Sequence[str], pixels: Sequence[str]) -> dict[str, PackedPairs]:
    """Test pairs of datasets by name."""
    stores = zip(names, tables, pixels, strict=True)
    return {name: PackedPairs([(table, store)], "test") for name, table, store in stores}
