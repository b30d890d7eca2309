"""Time of a training step beside that of PReNet's authors, alternating in one run.

    python benchmarks/training_step.py [AUTHORS_FOLDER] [--stages 6] [--channels 32] [--blocks 5] [--batch 4] ...

AUTHORS_FOLDER: a clone of github.com/csdwren/PReNet, whose networks.py and SSIM.py are imported; without it, its rows
are left out. One thread, float32, Adam, negative SSIM, noise as images. The rows:

    this project           `derain.training.loop.train`, with batches in the memory layout of its PatchSampler
    literal PReNet         the same, with the network computed word by word (tests/literal.py)
    authors' loop          train_PReNet.py: step, then a second forward pass for the PSNR of the batch
    authors' bare step     the same without the second forward pass and the PSNR

The authors' data loader, prints and event files are left out. All rows start from the same θ; the run ends with an
error where their first losses differ. Ratios are medians over the rounds, of the time of a row by that of this project
in the same round, with the smallest and the largest.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import common  # noqa: F401  # finds the library
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from alternating import alternate, ratio
from derain.config.training import TrainingSection
from derain.machine import instruction_set, processor
from derain.networks.prenet import Network
from derain.training.loop import train
from literal import literal_prenet
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor, nn
from torch.utils.data import Dataset

Batch = tuple[Tensor, Tensor]
RATE = 1e-3


class WordByWord(Network):
    """The network without what derain.networks.prenet saves."""

    def forward(self, rainy: Tensor) -> Tensor:
        """As of Network."""
        return literal_prenet(rainy, [dict(self.named_parameters())] * self.stages, len(self.block_names))


class Same(Dataset[Batch]):
    """One batch for every step."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def __getitem__(self, step: int) -> Batch:
        """(rainy, clean)."""
        return self.batch


def recipe_of(batch: int, patch: int, steps: int, **more: Any) -> TrainingSection:
    """The authors' recipe, at a constant rate, for batches of this size. more: other keys."""
    return TrainingSection(
        steps=steps,
        batch=batch,
        patch=patch,
        loss="negative_ssim",
        optimizer="adam",
        learning_rate=RATE,
        schedule="constant",
        warmup=0,
        **more,
    )


def of_this_project(network: nn.Module, batch: Batch, steps: int) -> Iterator[float]:
    """The loss of each step."""
    rainy, clean = (side.to(memory_format=torch.channels_last) for side in batch)
    for progress in train(network, Same((rainy, clean)), recipe_of(len(rainy), rainy.shape[-1], steps), {}):
        yield progress.terms["reconstruction"]


def of_the_authors(model: nn.Module, criterion: nn.Module, batch: Batch, bare: bool) -> Iterator[float]:
    """The loss of each step, in the lines of train_PReNet.py, on the device of the model."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    device = next(model.parameters()).device
    while True:
        input_train, target_train = (side.to(device) for side in batch)
        model.train()
        model.zero_grad()
        optimizer.zero_grad()
        out_train, _ = model(input_train)
        loss = -criterion(target_train, out_train)
        loss.backward()
        optimizer.step()
        if not bare:
            model.eval()
            out_train, _ = model(input_train)
            batch_psnr(torch.clamp(out_train, 0.0, 1.0), target_train)
        yield loss.item()


def batch_psnr(image: Tensor, clean: Tensor) -> float:
    """utils.py, with the function that scikit-image has in place of the one imported there."""
    pairs = zip(clean.data.cpu().numpy(), image.data.cpu().numpy(), strict=True)
    psnr: Callable[..., float] = peak_signal_noise_ratio
    return sum(psnr(a, b, data_range=1.0) for a, b in pairs) / len(clean)


def modules_of_the_authors(folder: Path) -> tuple[Any, Any]:
    """Their networks and SSIM; what networks.py imports and does not use need not be installed."""
    for name in ("cv2", "torchvision"):
        sys.modules.setdefault(name, ModuleType(name))
    sys.path.insert(0, str(folder))
    import networks
    import SSIM

    return networks, SSIM


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("authors", nargs="?", type=Path, metavar="AUTHORS_FOLDER")
    numbers = {"stages": 6, "channels": 32, "blocks": 5, "batch": 4, "patch": 100, "rounds": 15}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    asked = parser.parse_args()
    if asked.authors and (asked.channels, asked.blocks) != (32, 5):
        parser.error("the authors' PReNet has 32 channels and 5 blocks")
    return asked


def main() -> None:
    """Alternate, compare, print."""
    asked = arguments()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    clean = torch.rand(asked.batch, 3, asked.patch, asked.patch)
    batch = ((clean + 0.3 * torch.rand(asked.batch, 1, asked.patch, asked.patch)).clamp(0, 1), clean)
    shape = {"stages": asked.stages, "channels": asked.channels, "blocks": asked.blocks}
    theta = Network(**shape).state_dict()

    def started(network: nn.Module) -> nn.Module:
        network.load_state_dict(theta)
        return network

    rows: dict[str, Iterator[float]] = {
        "this project": of_this_project(started(Network(**shape)), batch, asked.rounds + 2),
        "literal PReNet": of_this_project(started(WordByWord(**shape)), batch, asked.rounds + 2),
    }
    if asked.authors:
        networks, ssim = modules_of_the_authors(asked.authors)
        for name, bare in (("authors' loop", False), ("authors' bare step", True)):
            model = started(networks.PReNet(recurrent_iter=asked.stages, use_GPU=False))
            rows[name] = of_the_authors(model, ssim.SSIM(), batch, bare)

    first = {name: next(steps) for name, steps in rows.items()}  # also warms up
    if max(first.values()) - min(first.values()) > 1e-4:
        sys.exit(f"the rows do not train the same: first losses {first}")
    times = alternate({name: partial(next, steps) for name, steps in rows.items()}, asked.rounds)

    print(f"{processor()}, {instruction_set()}, torch {torch.__version__}, one thread")
    print(f"{asked.batch} patches of {asked.patch}², T = {asked.stages}, {asked.channels} channels, ", end="")
    print(f"{asked.blocks} blocks, {asked.rounds} rounds")
    print(f"{'':<20}{'clock':<6}{'s a step':>9}{'ratio':>7}{'from':>7}{'to':>7}")
    for name in rows:
        for clock, own in times.items():
            print(f"{name:<20}{clock:<6}{median(own[name]):>9.3f}{ratio(own, name, 'this project')}")


if __name__ == "__main__":
    main()
