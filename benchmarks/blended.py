"""Blended tiles beside the whole image, for networks without a finite reach: python benchmarks/blended.py [--steps N]

Trains nafnet and restormer of default size for N (200) steps on rendered rain, and restores one test image
(astronaut.png of scikit-image, 512 × 512, under rain) as a whole and in tiles of two sides. Prints for each side, of
the outputs in 8 bits: PSNR of tiles against whole, the largest and the mean difference, the share of values that
differ, and PSNR of both against the clean image.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from common import REPOSITORY
from derain.curriculum import FIRST, THETA, Stage
from derain.data.store import PackedPairs
from derain.evaluation.tiles import restored
from derain.machine import instruction_set, processor
from derain.restoration.loading import load
from numpy.typing import NDArray

NETWORKS, SIDES = ("nafnet", "restormer"), (256, 384)  # pixels
IMAGE, SIDE = "astronaut.png", 512
RAIN = {"angle": [-30, 30], "length": [12, 24], "width": 1.6, "density": 0.005, "brightness": [0.2, 0.5]}
HEAD = "network     side  dB to whole  largest    mean   differ   whole dB  tiles dB"
ROW = "{:<10} {:>5} {:>12.2f} {:>8} {:>7.3f} {:>8.1%} {:>10.2f} {:>9.2f}"


def trained(folder: Path, steps: int) -> tuple[dict[str, torch.nn.Module], NDArray[np.uint8], NDArray[np.uint8]]:
    """The networks by backbone, and the test image, rainy and clean."""
    dataset = {"layout": "rendered", "rain": RAIN, "test": [IMAGE], "tile": SIDE, "tiles": 1}
    config = {
        "device": "cpu",
        "orders": [["rain"]],
        "datasets": {"rain": dataset},
        "networks": {name: {"backbone": name} for name in NETWORKS},
        "training": {"steps": steps, "learning_rate": 1e-3, "validate_every": steps},
        "methods": {"finetune": {}},
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    thetas = {name: Stage(name, 0, FIRST, ("rain",)).file(THETA) for name in NETWORKS}
    store = "results/datasets/rain/test/pairs.csv"
    command = [sys.executable, "-m", "snakemake", *thetas.values(), store, "--cores", "all", "--quiet", "all"]
    command += ["--directory", str(folder), "--configfile", str(folder / "config.json")]
    subprocess.run(command, cwd=REPOSITORY, check=True, stderr=subprocess.DEVNULL)
    table = folder / store
    rainy, clean = PackedPairs([(table, table.with_name("pixels.bin"), None)], "test")[0]
    assert clean is not None
    return {name: load(folder / theta) for name, theta in thetas.items()}, rainy, clean


def decibels(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """PSNR of all channels, in dB."""
    error = np.square(one.astype(float) - other).mean()
    return float(10 * np.log10(255**2 / error)) if error else np.inf


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    asked = parser.parse_args()
    threads = torch.get_num_threads()
    print(f"{processor()}, {instruction_set()}, {threads} threads, torch {torch.__version__}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        networks, rainy, clean = trained(Path(folder), asked.steps)
    print(f"rainy against clean: {decibels(rainy, clean):.2f} dB")
    print(HEAD)
    for name, network in networks.items():
        whole = restored(network, rainy, SIDE)
        for side in SIDES:
            tiles = restored(network, rainy, side)
            levels = np.abs(tiles.astype(int) - whole)
            differ = np.count_nonzero(levels) / levels.size
            to_whole, *to_clean = decibels(tiles, whole), decibels(whole, clean), decibels(tiles, clean)
            print(ROW.format(name, side, to_whole, levels.max(), levels.mean(), differ, *to_clean), flush=True)


if __name__ == "__main__":
    main()
