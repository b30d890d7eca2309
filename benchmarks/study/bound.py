"""Whether joint training reaches what was asked of a memory method: python benchmarks/study/bound.py RUN-REFERENCES

RUN-REFERENCES is the folder in which references.yaml ran. Asked after old → new is at most 0.5 dB less of the newest
dataset than fine-tuning of the first network has, and at most a third of what it forgets of the old one. Prints both
scores, and for joint training of each network how far it is above them (PSNR on Y, dB: mean and 95 % t interval over
seeds).
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import print_in_any_locale
from derain.curriculum import JOINT, as_read
from derain.evaluation.reading import read_table
from judge import METRIC, REFERENCE, spread


def main() -> None:
    """Read, compare, print."""
    print_in_any_locale()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    matrix = read_table(parser.parse_args().run / "results/tables/matrix.csv")
    scores = matrix.set_index(["network", "method", "order", "stage", "dataset", "seed"])[METRIC].sort_index()

    def of(network: str, method: str, order: str, stage: int, dataset: str) -> pd.Series:
        """By seed."""
        return scores.loc[(network, method, order, stage, dataset)]

    first, *_ = networks = matrix["network"].unique()
    for order in (each for each in matrix["order"].unique() if each.count(">") == 1):
        old, new = order.split(">")
        before, after = (of(first, REFERENCE, order, stage, old) for stage in (1, 2))
        asked = {new: of(first, REFERENCE, order, 2, new) - 0.5, old: before - (before - after) / 3}
        print(f"{as_read(order)}: asked {', '.join(f'{name} {score.mean():.2f}' for name, score in asked.items())}")
        for network in networks:
            above = (f"{name} {spread(of(network, JOINT, order, 2, name) - score)}" for name, score in asked.items())
            print(f"    joint, {network}: {', '.join(above)}")


if __name__ == "__main__":
    main()
