"""The cost of this project's work beside that of other ways to do it: python -m benchmarks [ROW …]

    python -m benchmarks --authors FOLDER    # also beside the training loop of PReNet's authors
    python -m benchmarks --device cuda

FOLDER: a clone of github.com/csdwren/PReNet (benchmarks/training_step.py); without it, its rows are left out. The rows:

bare-step     a training step beside the authors' forward, backward and Adam
loop          a training step beside the authors' loop, which computes a second forward pass for its PSNR
omega         Ω of 8 patches, a gradient for each, beside PIGWM's pass over them: the gradient of their mean, absolute
func          the same Ω beside torch.func: vmap over the gradients of single samples
penalty       a step with the penalty of NR beside one without
distillation  a step with distillation on rain of other strengths beside its bare passes: forward and backward for the
              batch and for the other rain, forward of the old network, Adam
memory        a step with a rain memory of 9 datasets beside one with a memory of 1
loading       16 patches from the packed store beside decoding the PNG files of each
scoring       restoring and scoring images of 321 × 481 beside the bare network's forward pass

Works alternate in one run, on one thread, with noise as images (photographs of scikit-image for loading). The ratio is
that of the CPU times, with --device cuda of the wall times, this project to the other: median, smallest and largest
over the rounds. PReNet, T = 6; steps of --batch patches of --patch², on cuda ten in a row, of which this project reads
the numbers once, as it does by default.
"""

import argparse
import copy
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from alternating import Works, alternate, machine_of, ratio
from data_loading import samples_of
from derain.data.packing import list_only, pack
from derain.data.patches import PatchSampler, as_tensor
from derain.data.store import PackedPairs
from derain.evaluation.metrics import score
from derain.evaluation.rounding import ROUNDINGS
from derain.evaluation.tiles import restored_output
from derain.method import distillation, memory, penalty
from derain.method.losses import LOSSES
from derain.method.step import Term
from derain.networks import build
from derain.training.importance import importance_sum
from derain.training.loop import train
from PIL import Image
from skimage import data
from torch import Tensor, nn
from torch.utils.data import Dataset
from training_step import RATE, Same, modules_of_the_authors, of_the_authors, recipe_of

Batch = tuple[Tensor, Tensor]
OURS, OTHER = "this project", "other"
LOSS = LOSSES["negative_ssim"]
OLD_RAIN = (0.2, 5.0)
EVER = 10**9  # steps
IN_A_ROW = {"cpu": 1, "cuda": 10}  # training steps of a work
IMAGE = (321, 481)


def noise(batch: int, side: int) -> Batch:
    """(rainy, clean) in the memory layout of PatchSampler."""
    clean = torch.rand(batch, 3, side, side)
    rainy = (clean + 0.3 * torch.rand(batch, 1, side, side)).clamp(0, 1)
    return rainy.to(memory_format=torch.channels_last), clean.to(memory_format=torch.channels_last)


def device_of(network: nn.Module) -> torch.device:
    """Where the network is."""
    return next(network.parameters()).device


def in_a_row(network: nn.Module) -> int:
    """How many training steps a work has."""
    return IN_A_ROW[device_of(network).type]


def steps(network: nn.Module, batches: Dataset[Batch], terms: Mapping[str, Term], shape: Batch) -> Callable[[], object]:
    """Some training steps, at each call."""
    count = in_a_row(network)
    told = train(copy.deepcopy(network), batches, recipe_of(shape[0], EVER), terms, read=lambda step: step % count == 0)
    return lambda: list(islice(told, count))


def of_authors(asked: argparse.Namespace, network: nn.Module, batch: Batch, bare: bool) -> Works:
    """The authors' step, from their folder."""
    networks, ssim = modules_of_the_authors(asked.authors)
    device = device_of(network)
    model = networks.PReNet(recurrent_iter=6, use_GPU=device.type == "cuda").to(device)
    model.load_state_dict(network.state_dict())
    plain = (batch[0].contiguous(), batch[1].contiguous())
    other = of_the_authors(model, ssim.SSIM(), plain, bare)
    count = in_a_row(network)
    return {OURS: steps(network, Same(batch), {}, batch), OTHER: lambda: list(islice(other, count))}


def omega(network: nn.Module, patches: int, side: int) -> Works:
    """PIGWM's pass, in the lines of its code: |∂/∂θ| of the loss of a batch."""
    rainy, clean = (each.to(device_of(network)) for each in noise(patches, side))
    singles = list(zip(torch.split(rainy, 1), torch.split(clean, 1), strict=True))

    def pass_of_pigwm() -> list[Tensor]:
        network.zero_grad()
        torch.autograd.backward(LOSS(network(rainy), clean).mean())
        return [theta.grad.abs() for theta in network.parameters() if theta.grad is not None]

    return {OURS: partial(importance_sum, network, singles, LOSS), OTHER: pass_of_pigwm}


def func(network: nn.Module, patches: int, side: int) -> Works:
    """torch.func."""
    rainy, clean = (each.to(device_of(network)) for each in noise(patches, side))
    singles = list(zip(torch.split(rainy, 1), torch.split(clean, 1), strict=True))
    theta = {name: each.detach() for name, each in network.named_parameters()}

    def loss(theta: Mapping[str, Tensor], one: Tensor, target: Tensor) -> Tensor:
        output = torch.func.functional_call(network, dict(theta), (one[None],))
        return LOSS(output, target[None]).mean()

    gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))

    def of_all() -> dict[str, Tensor]:
        return {name: each.abs().mean(0) for name, each in gradients(theta, rainy, clean).items()}

    sums, count = importance_sum(network, singles, LOSS)
    for name, expected in of_all().items():
        torch.testing.assert_close((sums[name] / count).float(), expected, rtol=1e-3, atol=1e-6)
    return {OURS: partial(importance_sum, network, singles, LOSS), OTHER: of_all}


def penalised(network: nn.Module, batch: Batch) -> Works:
    """NR's penalty, with noise as Ω."""
    state = {name: np.random.default_rng(0).random(theta.shape, np.float32) for name, theta in _named(network)}
    term = penalty.term(network, state, (0, 1), form="squared", strength=0.1, normalisation="loss_units")
    assert term
    return {OURS: steps(network, Same(batch), {"penalty": term}, batch), OTHER: steps(network, Same(batch), {}, batch)}


def distilled(network: nn.Module, batch: Batch) -> Works:
    """Distillation, and the same passes without anything around them."""
    term = distillation.term(network, None, (0, 1), loss="negative_ssim", strength=0.5, rain=OLD_RAIN)
    moving, old = copy.deepcopy(network), copy.deepcopy(network).requires_grad_(False)
    optimizer = torch.optim.Adam(moving.parameters(), lr=RATE)
    rainy, clean = (side.to(device_of(network)) for side in batch)
    other_rain = distillation.rain_of_other_strength(rainy, clean, OLD_RAIN, (0, 1))

    def passes() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            target = old(other_rain)
        total = LOSS(moving(rainy), clean).mean() + 0.5 * LOSS(moving(other_rain), target).mean()
        torch.autograd.backward(total)
        optimizer.step()

    def all_passes() -> None:
        for _ in range(in_a_row(network)):
            passes()

    return {OURS: steps(network, Same(batch), {"distillation": term}, batch), OTHER: all_passes}


class Copied(Same):  # type: ignore[misc]
    """One batch, whose places a memory may overwrite."""

    def __getitem__(self, step: int) -> Batch:
        """(rainy, clean)."""
        rainy, clean = super().__getitem__(step)
        return rainy.clone(), clean.clone()


def remembered(network: nn.Module, batch: Batch) -> Works:
    """A memory of 64 layers of each dataset."""
    side = batch[0].shape[-1]
    layers = {f"d{n}": np.random.default_rng(n).integers(0, 99, (64, 3, side, side), np.int16) for n in range(9)}
    few = dict(list(layers.items())[:1])

    def with_memory(stored: Mapping[str, Any]) -> Callable[[], object]:
        return steps(network, memory.batches(Copied(batch), stored, (0, 1), share=0.5), {}, batch)

    return {OURS: with_memory(layers), OTHER: with_memory(few)}


def loading(folder: Path) -> Works:
    """Photographs of scikit-image as pairs, in PNG files and packed."""
    for n, name in enumerate(("astronaut", "chelsea", "coffee", "rocket"), start=1):
        clean = getattr(data, name)()
        rainy = np.maximum(clean, np.random.default_rng(n).integers(0, 256, clean.shape, np.uint8))
        for side, image in (("rain", rainy), ("norain", clean)):
            (folder / side).mkdir(exist_ok=True)
            Image.fromarray(image).save(folder / side / f"norain-{n}.png")
    asked = argparse.Namespace(layout="rain-norain", root=folder, clean=None, split="test", patch=100)
    samples, root = samples_of(asked, folder)
    packed, files = ((folder / f"{kind}.csv", folder / f"{kind}.bin", None) for kind in ("packed", "files"))
    pack(samples, root, packed[1], packed[0], 1)
    list_only(samples, root, files[1], files[0])
    samplers = {
        name: PatchSampler(PackedPairs([store], "test"), 100, 16, (0,))
        for name, store in ((OURS, packed), (OTHER, files))
    }
    return {name: partial(sampler.__getitem__, 0) for name, sampler in samplers.items()}


def scoring(network: nn.Module) -> Works:
    """One image, restored and scored."""
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 256, (*IMAGE, 3), np.uint8)
    rainy = np.maximum(clean, rng.integers(0, 256, (*IMAGE, 3), np.uint8))
    batch = as_tensor(rainy).permute(2, 0, 1)[None].to(device_of(network))

    def scored() -> object:
        output = restored_output(network, rainy, side=1024, theta="θ")
        return score(ROUNDINGS["nearest"](output), clean)

    def bare() -> Tensor:
        with torch.inference_mode():
            restored: Tensor = network(batch)
            return restored

    return {OURS: scored, OTHER: bare}


def _named(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, theta in network.named_parameters():
        yield name, theta.detach()


def rows(asked: argparse.Namespace, folder: Path) -> dict[str, Callable[[], Works]]:
    """What prepares the works of each row, by its name."""
    torch.manual_seed(0)
    network, batch = build("prenet").to(asked.device), noise(asked.batch, asked.patch)
    authors: dict[str, Callable[[], Works]] = {
        "bare-step": lambda: of_authors(asked, network, batch, bare=True),
        "loop": lambda: of_authors(asked, network, batch, bare=False),
    }
    return (authors if asked.authors else {}) | {
        "omega": lambda: omega(network, 8, asked.patch),
        "func": lambda: func(network, 8, asked.patch),
        "penalty": lambda: penalised(network, batch),
        "distillation": lambda: distilled(network, batch),
        "memory": lambda: remembered(network, batch),
        "loading": lambda: loading(folder),
        "scoring": lambda: scoring(network),
    }


def main() -> None:
    """Alternate, print."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # in a locale without these letters
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("row", nargs="*", metavar="ROW", help="all of them by default")
    parser.add_argument("--authors", type=Path, metavar="FOLDER")
    for name, default in {"batch": 4, "patch": 100, "rounds": 7}.items():
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    clock = "CPU" if asked.device == "cpu" else "wall"
    print(f"{machine_of(asked.device)}, torch {torch.__version__}, one thread")
    print(f"steps of {asked.batch} patches of {asked.patch}², {asked.rounds} rounds; ", end="")
    print(f"{clock} time, this project to the other")
    print(f"{'':<14}{'s':>9}{'s, other':>10}{'ratio':>7}{'from':>7}{'to':>7}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, prepared in rows(asked, Path(folder)).items():
            if asked.row and name not in asked.row:
                continue
            times = alternate(prepared(), asked.rounds, asked.device)[clock]
            ours, other = (float(np.median(times[which])) for which in (OURS, OTHER))
            print(f"{name:<14}{ours:>9.3f}{other:>10.3f}{ratio(times, OURS, OTHER)}", flush=True)


if __name__ == "__main__":
    main()
