"""What checkpoints cost a training, as a share of its time, in one run: python benchmarks/faults/cost.py

Trains a network of PReNet's published size (6 stages, 32 channels) on noise for a while, with more checkpoints than
usual so that there is something to count, and reports the seconds that they took (state, digest, fsync, rename), what
share of the training that was, and what share it is at the default interval.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common  # noqa: F401  # finds the library
from derain.config.training import Training, TrainingSection
from derain.networks import build
from derain.training.checkpoint import Checkpoint
from derain.training.loop import train
from torch import Tensor
from torch.utils.data import Dataset

RECIPE = Training(
    steps=10**9,
    batch=4,
    patch=64,
    loss="negative_ssim",
    optimizer="adam",
    learning_rate=1e-3,
    schedule="constant",
    warmup=0,
)


class Noise(Dataset[tuple[Tensor, Tensor]]):
    """Batches of nothing in particular."""

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        """(rainy, clean) of a step."""
        generator = torch.Generator().manual_seed(step)
        rainy, clean = torch.rand(2, RECIPE.batch, 3, RECIPE.patch, RECIPE.patch, generator=generator)
        return rainy, clean


class Timed(Checkpoint):
    """A checkpoint that knows how long its writing took, each time."""

    def __init__(self, output: str, every: float) -> None:
        super().__init__(output, {}, every, stop=lambda: None, tell=print)
        self.seconds: list[float] = []

    def write(self, done: int, state: Mapping[str, Any]) -> None:
        """As it is, with a clock beside it."""
        began = time.monotonic()
        super().write(done, state)
        self.seconds.append(time.monotonic() - began)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=float, default=5, help="seconds between checkpoints (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=90, help="of training (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="on the disk to measure (default: a temporary one)")
    return parser.parse_args()


def main() -> None:
    """Train, count, report."""
    asked = arguments()
    torch.set_num_threads(1)
    network = build("prenet")
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        checkpoint = Timed(f"{folder}/theta.safetensors", asked.every)
        for progress in train(network, Noise(), RECIPE, {}, checkpoint=checkpoint):
            if progress.seconds > asked.seconds:
                break
        size = checkpoint.path.stat().st_size
    spent, each = sum(checkpoint.seconds), sum(checkpoint.seconds) / len(checkpoint.seconds)
    default = TrainingSection().checkpoint_every
    print(f"{progress.step} steps in {progress.seconds:.1f} s, {len(checkpoint.seconds)} checkpoints of {size:,} bytes")
    print(f"one takes {1000 * each:.1f} ms on average, {1000 * max(checkpoint.seconds):.1f} ms at most")
    print(f"share of the training: {spent / progress.seconds:.3%} at one in {asked.every:g} s,")
    print(f"                       {each / (default + each):.4%} at the default of one in {default:g} s")


if __name__ == "__main__":
    main()
