"""The tables of docs/explanation/study.md: python benchmarks/study/tables.py RUN

RUN is the folder in which an experiment ran. Prints, for each network and order, a table in Markdown of its methods,
best average first: PSNR on Y in dB, mean ± standard deviation over seeds. `newest`: of the dataset just learned, mean
over the stages after the first; `individual`: last scores less those of a network for each dataset alone, mean over
datasets; `above chord`, where the config has a chord: newest score above the chord of fine-tuning
(docs/explanation/method.md), a mean over stages.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import print_in_any_locale
from derain.curriculum import INDIVIDUAL, as_read
from derain.evaluation.chord import above_chord
from derain.evaluation.reading import read_table

METRIC = "psnr_y_db"


def as_text(values: pd.Series, signed: bool = False) -> str:
    """Mean ± standard deviation, that only where there are several; – where nothing is known."""
    if values.isna().all():
        return "–"
    mean = f"{values.mean():+.2f}" if signed else f"{values.mean():.2f}"
    return f"{mean} ± {values.std():.2f}".replace("-", "−") if len(values) > 1 else mean.replace("-", "−")


def main() -> None:
    """Read, lay out, print."""
    print_in_any_locale()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    tables = parser.parse_args().run / "results/tables"
    continual, every = (read_table(tables / f"{name}.csv") for name in ("continual", "matrix"))
    continual = continual[continual["metric"] == METRIC]

    above = None
    if (tables / "chord.csv").exists():
        found = above_chord(every, read_table(tables / "chord.csv"), METRIC)
        above = found.groupby(["network", "order", "method", "seed"])["above"].mean()

    for (network, order), runs in continual.groupby(["network", "order"], sort=False):
        datasets = order.split(">")
        matrix = every[every["network"] == network]
        alone = matrix[(matrix["method"] == INDIVIDUAL) & (matrix["learned"] == matrix["dataset"])]
        alone = alone.set_index(["seed", "dataset"])[METRIC]
        print(f"\n{network}: {as_read(order)}\n")
        heads = ["method", "average", "forgetting", "newest", *(["above chord"] if above is not None else [])]
        print(f"| {' | '.join([*heads, 'individual', *datasets, 'old data'])} |")
        print(f"|{'---|' * (len(heads) + len(datasets) + 2)}")
        best_first = runs.groupby("method")["average"].mean().sort_values(ascending=False).index
        for method in best_first:
            run = runs[runs["method"] == method]
            rows = matrix[(matrix["method"] == method) & (matrix["order"] == order)]
            rows = rows[rows["dataset"].isin(datasets)]
            last = rows[rows["stage"] == len(datasets)].set_index(["seed", "dataset"])[METRIC]
            newest = rows[(rows["learned"] == rows["dataset"]) & (rows["stage"] > 1)].groupby("seed")[METRIC].mean()
            kept = run["old_data_bytes"].iloc[0]
            cells = [
                method,
                as_text(run["average"]),
                as_text(run["forgetting"]),
                as_text(newest) if run["forgetting"].notna().all() else "–",
                *(
                    [as_text(above.reindex([(network, order, method, n) for n in run["seed"]]), signed=True)]
                    if above is not None
                    else []
                ),
                as_text((last - alone).groupby("seed").mean(), signed=True),
                *(as_text(last.xs(name, level="dataset")) for name in datasets),
                "all" if pd.isna(kept) else f"{kept / 1024:.0f} KiB" if kept else "–",
            ]
            print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
