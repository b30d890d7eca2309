"""Hold the study against what was asked of it before it ran: python benchmarks/study/judge.py RUN

RUN is the folder in which the study ran. Prints each question with its figures (PSNR on Y, dB; ± is the standard
deviation over seeds) and whether it holds; ends with status 1 where one does not.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from derain.evaluation.reading import read_table

HEAVIEST_FIRST = "heavy>medium>light"
IMPORTANCE_BASED = ("nr", "pigwm", "ewc", "mas")
METRIC = "psnr_y_db"


def spread(values: pd.Series) -> str:
    """Mean ± standard deviation."""
    return f"{values.mean():+.2f} ± {values.std():.2f}".replace("-", "−")


def newest(matrix: pd.DataFrame, method: str) -> pd.Series:
    """Scores on the dataset just learned, heaviest first, by seed and stage from the second on."""
    rows = matrix[(matrix["method"] == method) & (matrix["order"] == HEAVIEST_FIRST) & (matrix["stage"] > 1)]
    rows = rows[rows["learned"] == rows["dataset"]]
    return rows.set_index(["seed", "stage"])[METRIC]


def main() -> None:
    """Read, judge, print."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # in a locale without these letters
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    tables = parser.parse_args().run / "results/tables"
    continual, matrix = (read_table(tables / f"{name}.csv") for name in ("continual", "matrix"))
    continual = continual[continual["metric"] == METRIC].set_index(["method", "order", "seed"])
    average, lost = continual["average"], continual["forgetting"]
    verdicts = []

    def judge(question: str, figures: str, holds: bool) -> None:
        print(f"{'holds ' if holds else 'FAILS '} {question}: {figures}")
        verdicts.append(holds)

    gained = average["nr"] - average["finetune"]
    for order, by_seed in gained.groupby("order", sort=False):
        judge(f"nr − finetune, average, {order} (≥ −0.1)", spread(by_seed), by_seed.mean() >= -0.1)
    judge("nr − finetune, average, over all (> 0)", spread(gained.groupby("seed").mean()), gained.mean() > 0)

    shares = {}
    for order in gained.index.unique("order"):
        shares[order] = lost["nr"][order].mean() / lost["finetune"][order].mean()
    share = lost["nr"].mean() / lost["finetune"].mean()
    each = ", ".join(f"{order} {value:.2f}" for order, value in shares.items())
    judge("forgetting of nr / of finetune (≤ 2/3)", f"{share:.2f} ({each})", share <= 2 / 3)

    means = {method: average[method].mean() for method in IMPORTANCE_BASED}
    told = ", ".join(f"{method} {value:.2f}" for method, value in means.items())
    judge("nr is the best of the importance-based methods on average", told, max(means, key=means.__getitem__) == "nr")

    ours, theirs = (lost[method][HEAVIEST_FIRST] for method in ("nr_memory", "finetune"))
    share = ours.mean() / theirs.mean()
    figures = f"{share:.2f} ({spread(ours)} of {spread(theirs)})"
    judge("forgetting of nr_memory / of finetune, heaviest first (≤ 1/3)", figures, share <= 1 / 3)

    behind = (newest(matrix, "nr_memory") - newest(matrix, "finetune")).groupby("stage")
    for stage, by_seed in behind:
        judge(f"nr_memory − finetune, newest dataset, stage {stage} (≥ −0.5)", spread(by_seed), by_seed.mean() >= -0.5)
    sys.exit(not all(verdicts))


if __name__ == "__main__":
    main()
