"""Checks that tables of scores are complete: one row for each test image and rounding, and a number in every field.

The mean over an incomplete table would look like any other number.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from derain.data.store import PackedPairs
from derain.errors import UserError, shown
from derain.evaluation.metrics import METRICS
from derain.evaluation.reading import read_table
from derain.evaluation.source import Source

TOLD = 5  # faults in the error message

Images = Mapping[str, Sequence[str]]  # names of the test images with a clean partner, by dataset


def images_of(pairs: Mapping[str, str]) -> Images:
    """Names of the test images with a clean partner, by dataset. pairs: pairs.csv of the test pairs, by dataset."""
    return {
        name: [row.name for row in PackedPairs([(table, "", None)], "test").rows if row.clean]
        for name, table in pairs.items()
    }


def fault_of_stage(source: Source, images: Images, roundings: Iterable[str], advice: str = "") -> str:
    """The fault of a stage's scores; empty if there is none. source: the stage, with the datasets that it is `scored`
    on, and its score files; advice: in place of that to delete them. Datasets that are not in `images` are not checked.
    """
    stage, files = source
    names = [name for name in stage["scored"] if name in images]
    expected = pd.MultiIndex.from_tuples(
        [(name, image, rounding) for name in names for image in images[name] for rounding in roundings],
        names=["dataset", "image", "rounding"],
    )
    try:
        table = pd.concat([read_table(file) for file in files])
    except UserError as error:
        return str(error)
    others = set(stage["scored"]) - {*names}
    known = table[~table["dataset"].isin(others)] if "dataset" in table else table
    fault = _fault(known, expected)
    advice = advice or f"delete {shown(str(Path(files[0]).parent))} to score the stage again"
    return fault and f"{shown(files[0])}: {fault}; {advice}"


def fault_of_rainy(file: str, dataset: str, images: Images) -> str:
    """The same for the scores of a dataset's rainy inputs."""
    expected = pd.MultiIndex.from_product([[dataset], images[dataset]], names=["dataset", "image"])
    try:
        fault = _fault(read_table(file), expected)
    except UserError as error:
        return str(error)
    return fault and f"{shown(file)}: {fault}; delete it to score the rainy images again"


def refuse(faults: Iterable[str]) -> None:
    """Raise UserError if a fault is not empty."""
    found = [fault for fault in faults if fault]
    if found:
        more = [f"and {len(found) - TOLD} more tables of scores"] if len(found) > TOLD else []
        raise UserError("\n".join([*found[:TOLD], *more]))


def _fault(table: pd.DataFrame, expected: pd.MultiIndex) -> str:
    keys = list(expected.names)
    if lacking := [name for name in (*keys, *METRICS) if name not in table]:
        return f"has no column {lacking[0]}"
    found = pd.MultiIndex.from_frame(table[keys])
    for rows, what in (
        (expected.difference(found), f"of {len(expected)} scores missing"),
        (found[~found.isin(expected)], "scores of unknown test images or roundings"),
        (found[found.duplicated()], "scores twice"),
    ):
        if len(rows):
            return f"{len(rows)} {what} ({', '.join(shown(str(part)) for part in rows[0])})"
    numbers = table[list(METRICS)].to_numpy(dtype=float)
    # The PSNR of an exactly restored image is infinite.
    wrong = ~np.isfinite(numbers) & ~((numbers == np.inf) & [name.startswith("psnr") for name in METRICS])
    if wrong.any():
        return f"{wrong.any(axis=1).sum()} scores are no numbers ({', '.join(map(str, found[wrong.any(axis=1)][0]))})"
    return ""
