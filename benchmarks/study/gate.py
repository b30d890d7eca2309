"""A network for each dataset, and a gate that chooses one for each image: python benchmarks/study/gate.py RUN

RUN is the folder in which an experiment ran. The gate knows statistics of rainy training images alone: it is a linear
discriminant (Fisher 1936; class means and one covariance) of six numbers of an image. It keeps no old image, but a
network for each dataset.

Prints, for each seed, the gate's error rate on the test images and the mean PSNR on Y (dB) of each dataset under the
gate's choice and under the right one, and the bytes that all networks take.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import print_in_any_locale
from derain.data.images import read_rgb
from derain.evaluation.metrics import luma, scores_in_means
from derain.evaluation.reading import read_table

METRIC = "psnr_y_db"
Numbers = npt.NDArray[np.float64]


def statistics(file: Path) -> Numbers:
    """Of the luminance of an image in [0, 1]: mean, share of values near white, logarithms of the mean absolute
    differences along rows, columns and the two diagonals.
    """
    y = (luma(read_rgb(file)) - 16) / 219
    steps = [y[:, 1:] - y[:, :-1], y[1:] - y[:-1], y[1:, 1:] - y[:-1, :-1], y[1:, :-1] - y[:-1, 1:]]
    return np.array([y.mean(), (y > 0.95).mean(), *(np.log(np.abs(step).mean() + 1e-6) for step in steps)])


class Gate:
    """The linear discriminant of some classes, all as likely as each other."""

    def __init__(self, samples: dict[str, Numbers]) -> None:
        """samples: by class, a row of statistics for each image."""
        self.names = list(samples)
        self.means = np.array([each.mean(0) for each in samples.values()])
        within = np.concatenate([each - each.mean(0) for each in samples.values()])
        self.inverse = np.linalg.inv(np.cov(within.T))

    def __call__(self, image: Numbers) -> str:
        """The class whose mean is nearest, by Mahalanobis distance."""
        away = self.means - image
        return self.names[int(np.argmin(np.einsum("ki,ij,kj->k", away, self.inverse, away)))]


def of_split(run: Path, dataset: str, split: str) -> Iterable[tuple[str, Path]]:
    """The names of a split's rainy images, as score tables have them, and their files."""
    manifest = read_table(run / f"results/datasets/{dataset}/manifest.csv")
    for row in manifest[manifest["split"] == split].to_dict("records"):
        yield row["rainy"], run / "data" / dataset / row["rainy"]


def main() -> None:
    """Fit, choose, print."""
    print_in_any_locale()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    stages = sorted((run / "results/stages").glob("*/seed*/first/*"))
    datasets = sorted({stage.name for stage in stages})
    gate = Gate({name: np.array([statistics(file) for _, file in of_split(run, name, "train")]) for name in datasets})
    chosen = {(name, image): gate(statistics(file)) for name in datasets for image, file in of_split(run, name, "test")}
    wrong = [name != choice for (name, _), choice in chosen.items()]
    print(f"error rate of the gate: {np.mean(wrong):.1%} of {len(wrong)} test images")
    for folder in sorted({stage.parents[1] for stage in stages}):
        own = sorted(folder.glob("first/*"))
        scores = pd.concat({stage.name: _scores(stage) for stage in own})
        taken = sum((stage / "theta.safetensors").stat().st_size for stage in own)
        print(f"{folder.parent.name} {folder.name}, {taken} bytes:")
        for name in datasets:
            images = [image for of, image in chosen if of == name]
            gated = [scores[chosen[name, image], name, image] for image in images]
            right = [scores[name, name, image] for image in images]
            print(f"  {name}: {np.mean(gated):.2f} dB, with the right choice {np.mean(right):.2f}")


def _scores(stage: Path) -> pd.Series:
    tables = [scores_in_means(read_table(file)) for file in sorted((stage / "scores").glob("*.csv"))]
    return pd.concat(tables).drop_duplicates(["dataset", "image"]).set_index(["dataset", "image"])[METRIC]


if __name__ == "__main__":
    main()
