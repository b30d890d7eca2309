"""What several processes for one stage change and cost, in one run: python benchmarks/data_parallel.py [--devices 2]

Trains a network on noise with a penalty, in float64 and in float32: whole batches in one process, the same batches in
parts in one process, and in parts shared by several processes. Prints the largest relative distance of a tensor of θ
from that of whole batches, whether the bits of θ are those of one process with the same parts, and seconds a step as
ratios to whole batches. Processes that share fewer cores than they are can only lose.
"""

import argparse
import tempfile
import time

import torch
from common import print_in_any_locale
from derain.config.training import Training
from derain.data.parallel import processors
from derain.method.penalty import Penalty
from derain.networks import build
from derain.training.loop import train
from derain.training.processes import together
from torch import Tensor
from torch.utils.data import Dataset


class Noise(Dataset[tuple[Tensor, Tensor]]):
    """Batches of nothing in particular."""

    def __init__(self, batch: int, patch: int, dtype: torch.dtype) -> None:
        self.shape, self.dtype = (batch, 3, patch, patch), dtype

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        """(rainy, clean) of a step."""
        generator = torch.Generator().manual_seed(step)
        clean, rain = torch.rand(2, *self.shape, generator=generator, dtype=torch.float32).to(self.dtype)
        return (clean + 0.3 * rain).clamp(0, 1), clean


def trained(asked: argparse.Namespace, dtype: torch.dtype, parts: int, devices: int) -> tuple[dict[str, Tensor], float]:
    """θ, and the seconds that a step took after the first."""
    recipe = Training(
        steps=asked.steps,
        batch=asked.batch,
        patch=asked.patch,
        optimizer=asked.optimizer,
        learning_rate=asked.rate,
        schedule="constant",
        warmup=0,
        parts=parts,
    )
    torch.manual_seed(0)
    network = build("prenet", stages=asked.stages, channels=asked.channels).to(dtype)
    star = {name: theta.detach().clone() for name, theta in network.named_parameters()}
    penalty = Penalty(star, {name: torch.ones_like(theta) for name, theta in star.items()}, "squared", "loss_units")
    times = []

    def work() -> None:
        torch.set_num_threads(1)
        noise = Noise(asked.batch, asked.patch, dtype)
        for _ in train(network, noise, recipe, {"penalty": lambda moving, seen: 0.1 * penalty(moving)}):
            times.append(time.perf_counter())

    with tempfile.NamedTemporaryFile() as log:
        together(devices, "cpu", work, log.name)
    return {n: theta.detach() for n, theta in network.named_parameters()}, (times[-1] - times[0]) / (len(times) - 1)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("devices", 2), ("steps", 50), ("batch", 9), ("patch", 48), ("stages", 3), ("channels", 16)):
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    parser.add_argument("--optimizer", choices=("sgd", "adam"), default="adam")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate (default: %(default)s)")
    return parser.parse_args()


def main() -> None:
    """Train, compare, print."""
    print_in_any_locale()
    asked = arguments()
    torch.set_num_threads(1)
    print(f"{asked.devices} processes on {processors()} cores, {asked.steps} steps of {asked.optimizer}")
    print(f"{'':<9}{'parts':>6}{'processes':>11}{'distance of θ':>15}{'bits of θ':>14}{'time a step':>13}")
    for dtype in (torch.float64, torch.float32):
        whole, seconds = trained(asked, dtype, 1, 1)
        in_parts: dict[str, Tensor] = {}
        for devices in (1, asked.devices):
            theta, took = trained(asked, dtype, asked.devices, devices)
            in_parts = in_parts or theta
            distance = max(float((theta[n] - old).norm() / old.norm()) for n, old in whole.items())
            bits = "equal" if all(torch.equal(theta[n], other) for n, other in in_parts.items()) else "OTHERS"
            kind = str(dtype).removeprefix("torch.")
            print(f"{kind:<9}{asked.devices:>6}{devices:>11}{distance:>15.1e}{bits:>14}{took / seconds:>12.2f}×")


if __name__ == "__main__":
    main()
