"""Hold the study against what was asked of it before it ran: python benchmarks/study/judge.py RUN

RUN is the folder in which the study ran. Prints, for each order, each question with its figures (PSNR on Y, dB: mean
and 95 % t interval over seeds) and whether it holds; ends with status 1 where one does not.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import print_in_any_locale
from derain.curriculum import as_read
from derain.evaluation.chord import above_chord
from derain.evaluation.paired import interval
from derain.evaluation.reading import read_table

METRIC = "psnr_y_db"
REFERENCE = "finetune"
MEMORIES = ("rain", "nr_memory")  # the methods that keep patches; nr_as_old keeps a number for each


def spread(values: pd.Series) -> str:
    """Mean and interval over seeds."""
    low, high = interval([values.to_numpy()])
    return f"{values.mean():+.2f} ({low:+.2f} to {high:+.2f})".replace("-", "−")


class Runs:
    """The scores of the methods in one order, by seed."""

    def __init__(self, continual: pd.DataFrame, matrix: pd.DataFrame, chord: pd.DataFrame, order: str) -> None:
        continual = continual[(continual["metric"] == METRIC) & (continual["order"] == order)]
        continual = continual.set_index(["method", "seed"])
        self.average, self.lost = continual["average"], continual["forgetting"]
        matrix = matrix[(matrix["order"] == order) & (matrix["stage"] > 1)]
        self.above = above_chord(matrix, chord, METRIC).groupby(["method", "seed"])["above"].mean()
        of_newest = matrix[matrix["learned"] == matrix["dataset"]]
        self.newest = of_newest.groupby(["method", "seed"])[METRIC].mean()
        self.methods = [m for m in self.lost.dropna().index.unique("method") if m != REFERENCE]

    def gained(self, method: str) -> pd.Series:
        """Average after the last dataset, less fine-tuning's."""
        return self.average[method] - self.average[REFERENCE]

    def behind(self, method: str) -> pd.Series:
        """Score on the dataset just learned, mean over the stages after the first, less fine-tuning's."""
        return self.newest[method] - self.newest[REFERENCE]

    def share(self, method: str) -> float:
        """What the method forgets, as a share of what fine-tuning forgets."""
        return float(self.lost[method].mean() / self.lost[REFERENCE].mean())

    def line(self, method: str) -> str:
        """All figures of a method."""
        shares = f"forgetting, of finetune's: {self.share(method):.2f}"
        from_finetune = f"average {spread(self.gained(method))}, newest {spread(self.behind(method))}"
        return f"above the chord {spread(self.above[method])}; from finetune: {from_finetune}; {shares}"


def main() -> None:
    """Read, judge, print."""
    print_in_any_locale()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    tables = parser.parse_args().run / "results/tables"
    verdicts = []

    def judge(question: str, figures: str, holds: bool) -> None:
        print(f"{'holds ' if holds else 'FAILS '} {question}: {figures}")
        verdicts.append(holds)

    continual, matrix, chord = (read_table(tables / f"{name}.csv") for name in ("continual", "matrix", "chord"))
    for order in continual["order"].unique():
        runs = Runs(continual, matrix, chord, order)
        print(as_read(order))
        for method in runs.methods:
            print(f"       {method}: {runs.line(method)}")
        above, gained = runs.above["nr"], runs.gained("nr")
        judge("nr above the chord of fine-tuning (≥ 0.3)", spread(above), above.mean() >= 0.3)
        judge("nr − finetune, average (≥ −0.1)", spread(gained), gained.mean() >= -0.1)
        good = [m for m in MEMORIES if runs.behind(m).mean() >= -0.5 and runs.share(m) <= 1 / 3]
        asked = "a memory keeps the newest (≥ −0.5) and forgets at most 1/3"
        judge(asked, f"{len(good)} of {len(MEMORIES)}", bool(good))
    sys.exit(not all(verdicts))


if __name__ == "__main__":
    main()
