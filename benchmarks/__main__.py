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
busy          training steps as in a stage, with patches from the packed store, beside the time for which the device
              computes in them (on cuda: of all kernels, by torch.profiler)
scoring       restoring and scoring images of 321 × 481 beside the bare network's forward passes

Works alternate in one run, on one thread, with noise as images (photographs of scikit-image for loading). The ratio is
that of the CPU times, with --device cuda of the wall times, this project to the other: median, smallest and largest
over the rounds. PReNet, T = 6; steps of --batch patches of --patch², on cuda ten in a row, of which this project reads
the numbers once, as it does by default. --precision: of training steps, the authors' too (PyTorch's default for their
convolutions on CUDA is tfloat32).
"""

import argparse
import copy
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from alternating import Times, Works, alternate, machine_of, ratio
from common import print_in_any_locale
from data_loading import samples_of
from derain.allocator import keep_freed_memory
from derain.config.training import Training
from derain.data.packing import list_only, pack
from derain.data.patches import PatchSampler, as_tensor
from derain.data.store import PackedPairs
from derain.evaluation.scores import idle_processors, score_outputs
from derain.evaluation.tiles import Pixels, restored_output
from derain.method import distillation, intensity, memory, penalty
from derain.method.importance import gradients_of_each
from derain.method.losses import LOSSES
from derain.method.step import Term
from derain.networks import build
from derain.networks.formats import layout, multiplying
from derain.training.importance import importance_sum
from derain.training.loop import train
from PIL import Image
from skimage import data
from torch import Tensor, nn
from torch.utils.data import Dataset
from training_step import RATE, Same, modules_of_the_authors, of_the_authors, recipe_of

Batch = tuple[Tensor, Tensor]
Work = Callable[[], object]
OURS, OTHER = "this project", "other"
LOSS = LOSSES["negative_ssim"]
OLD_RAIN = (0.2, 5.0)
EVER = 10**9  # steps
CLOCK = {"cpu": "CPU", "cuda": "wall"}
OF_AUTHORS = ("bare-step", "loop")
IN_A_ROW = {"cpu": 1, "cuda": 10}  # training steps of a work
IMAGE = (321, 481)
IMAGES = {"cpu": 1, "cuda": 100}  # scored images of a work


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


def steps(network: nn.Module, batches: Dataset[Batch], terms: Mapping[str, Term], recipe: Training) -> Work:
    """Some training steps, at each call."""
    count = in_a_row(network)
    told = train(copy.deepcopy(network), batches, recipe, terms, read=lambda step: step % count == 0)
    return lambda: list(islice(told, count))


def within(precision: str, work: Work) -> Work:
    """The work in a number format."""

    def in_format() -> object:
        with multiplying(precision):
            return work()

    return in_format


def recipe(asked: argparse.Namespace) -> Training:
    """Of the training steps."""
    return recipe_of(asked.batch, asked.patch, EVER, precision=asked.precision)


def of_authors(asked: argparse.Namespace, network: nn.Module, batch: Batch, bare: bool) -> Works:
    """The authors' step, from their folder."""
    networks, ssim = modules_of_the_authors(asked.authors)
    device = device_of(network)
    model = networks.PReNet(recurrent_iter=6, use_GPU=device.type == "cuda").to(device)
    model.load_state_dict(network.state_dict())
    plain = (batch[0].contiguous(), batch[1].contiguous())
    other = of_the_authors(model, ssim.SSIM(), plain, bare)
    count = in_a_row(network)
    return {
        OURS: steps(network, Same(batch), {}, recipe(asked)),
        OTHER: within(asked.precision, lambda: list(islice(other, count))),
    }


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

    def of_all() -> list[Tensor]:
        return [each.abs().mean(0) for each in gradients_of_each(network, rainy, clean, LOSS)]

    sums, count = importance_sum(network, singles, LOSS)
    for total, expected in zip(sums.values(), of_all(), strict=True):
        torch.testing.assert_close((total / count).float(), expected, rtol=1e-3, atol=1e-3 * float(expected.max()))
    return {OURS: partial(importance_sum, network, singles, LOSS), OTHER: of_all}


def penalised(network: nn.Module, batch: Batch, recipe: Training) -> Works:
    """NR's penalty, with noise as Ω."""
    state = {name: np.random.default_rng(0).random(theta.shape, np.float32) for name, theta in _named(network)}
    term = penalty.term(network, state, (0, 1), form="squared", strength=0.1, normalisation="loss_units")
    terms = {OURS: {"penalty": term}, OTHER: {}}
    return {name: steps(network, Same(batch), each, recipe) for name, each in terms.items()}


def distilled(network: nn.Module, batch: Batch, recipe: Training) -> Works:
    """Distillation, and the same passes without anything around them."""
    term = distillation.term(network, None, (0, 1), loss="negative_ssim", strength=0.5, rain=OLD_RAIN)
    moving, old = copy.deepcopy(network), copy.deepcopy(network).requires_grad_(False)
    optimizer = torch.optim.Adam(moving.parameters(), lr=RATE)
    device = device_of(network)
    rainy, clean = (side.to(device, memory_format=layout(recipe.precision, device)) for side in batch)
    other_rain = intensity.rain_of_other_strength(rainy, clean, intensity.factors_in(OLD_RAIN, rainy, (0, 1)))

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

    ours = steps(network, Same(batch), {"distillation": term}, recipe)
    return {OURS: ours, OTHER: within(recipe.precision, all_passes)}


class Copied(Same):  # type: ignore[misc]  # of a module without types
    """One batch, whose places a memory may overwrite."""

    def __getitem__(self, step: int) -> Batch:
        """(rainy, clean)."""
        rainy, clean = super().__getitem__(step)
        return rainy.clone(), clean.clone()


def remembered(network: nn.Module, batch: Batch, recipe: Training) -> Works:
    """A memory of 64 layers of each dataset."""
    side = batch[0].shape[-1]
    layers = {f"d{n}": np.random.default_rng(n).integers(0, 99, (64, 3, side, side), np.int16) for n in range(9)}
    few = dict(list(layers.items())[:1])

    def with_memory(stored: Mapping[str, Any]) -> Work:
        return steps(network, memory.batches(Copied(batch), stored, (0, 1), share=0.5), {}, recipe)

    return {OURS: with_memory(layers), OTHER: with_memory(few)}


def sampler_of(folder: Path, packed: bool, patch: int, batch: int) -> PatchSampler:
    """Of photographs of scikit-image with noise for rain, in PNG files or packed."""
    for n, name in enumerate(("astronaut", "chelsea", "coffee", "rocket"), start=1):
        clean = getattr(data, name)()
        rainy = np.maximum(clean, np.random.default_rng(n).integers(0, 256, clean.shape, np.uint8))
        for side, image in (("rain", rainy), ("norain", clean)):
            (folder / side).mkdir(exist_ok=True)
            Image.fromarray(image).save(folder / side / f"norain-{n}.png")
    asked = argparse.Namespace(layout="rain-norain", root=folder, clean=None, split="test", patch=patch)
    samples, root = samples_of(asked, folder)
    table, pixels = (folder / f"{'packed' if packed else 'files'}.{suffix}" for suffix in ("csv", "bin"))
    if packed:
        pack(samples, root, pixels, table, 1)
    else:
        list_only(samples, root, pixels, table)
    return PatchSampler(PackedPairs([(table, pixels, None)], "test"), patch, batch, (0,))


def loading(folder: Path) -> Works:
    """16 patches."""
    packed = {OURS: True, OTHER: False}
    return {name: partial(sampler_of(folder, each, 100, 16).__getitem__, 0) for name, each in packed.items()}


def seconds_of_kernels(work: Work, device: str) -> float:
    """For how long a CUDA device computes in a call; on a CPU all of its time."""
    if device == "cpu":
        start = time.process_time()
        work()
        return time.process_time() - start
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA], acc_events=True) as profiler:
        work()
        torch.cuda.synchronize()
    return sum(event.self_device_time_total for event in profiler.key_averages()) / 1e6


def busy(network: nn.Module, folder: Path, recipe: Training, device: str, rounds: int) -> Times:
    """Seconds of steps, and of the kernels in them."""
    work = steps(network, sampler_of(folder, True, recipe.patch, recipe.batch), {}, recipe)
    whole = alternate({OURS: work}, rounds, device)[CLOCK[device]][OURS]
    return {OURS: whole, OTHER: [seconds_of_kernels(work, device) for _ in range(rounds)]}


class Scored(NamedTuple):
    """Pairs, as PackedPairs has them."""

    rows: Sequence[Any]
    images: Sequence[tuple[Pixels, Pixels]]

    def __iter__(self) -> Iterator[Any]:  # the images, as of PackedPairs
        """(rainy, clean)."""
        return iter(self.images)


def scoring(network: nn.Module) -> Works:
    """Some images, restored and scored."""
    device = device_of(network)
    pairs = []
    for n in range(IMAGES[device.type]):
        rng = np.random.default_rng(n)
        clean = rng.integers(0, 256, (*IMAGE, 3), np.uint8)
        pairs.append((np.maximum(clean, rng.integers(0, 256, (*IMAGE, 3), np.uint8)), clean))
    named: Any = Scored([argparse.Namespace(name=str(n)) for n in range(len(pairs))], pairs)
    batches = [as_tensor(rainy).permute(2, 0, 1)[None].to(device) for rainy, _ in pairs]
    output = partial(restored_output, network, side=1024, theta="θ")

    def bare() -> list[Tensor]:
        with torch.inference_mode():
            return [network(batch) for batch in batches]

    keep_freed_memory()  # as jobs do
    scorers = idle_processors(network)
    return {OURS: lambda: score_outputs("noise", named, output, ["nearest"], scorers=scorers), OTHER: bare}


def _named(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, theta in network.named_parameters():
        yield name, theta.detach()


def rows(asked: argparse.Namespace, folder: Path) -> dict[str, Callable[[], Times]]:
    """What measures each row, by its name."""
    torch.manual_seed(0)
    network, batch = build("prenet").to(asked.device), noise(asked.batch, asked.patch)
    works: dict[str, Callable[[], Works]] = {
        "bare-step": lambda: of_authors(asked, network, batch, bare=True),
        "loop": lambda: of_authors(asked, network, batch, bare=False),
        "omega": lambda: omega(network, 8, asked.patch),
        "func": lambda: func(network, 8, asked.patch),
        "penalty": lambda: penalised(network, batch, recipe(asked)),
        "distillation": lambda: distilled(network, batch, recipe(asked)),
        "memory": lambda: remembered(network, batch, recipe(asked)),
        "loading": lambda: loading(folder),
        "scoring": lambda: scoring(network),
    }

    def alternating(prepared: Callable[[], Works]) -> Times:
        return alternate(prepared(), asked.rounds, asked.device)[CLOCK[asked.device]]

    chosen = {name: each for name, each in works.items() if asked.authors or name not in OF_AUTHORS}
    measured: dict[str, Callable[[], Times]] = {name: partial(alternating, each) for name, each in chosen.items()}
    return measured | {"busy": lambda: busy(network, folder, recipe(asked), asked.device, asked.rounds)}


def main() -> None:
    """Alternate, print."""
    print_in_any_locale()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("row", nargs="*", metavar="ROW", help="all of them by default")
    parser.add_argument("--authors", type=Path, metavar="FOLDER")
    for name, default in {"batch": 4, "patch": 100, "rounds": 7}.items():
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precision", default="float32", choices=("float32", "tfloat32"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine_of(asked.device)}, torch {torch.__version__}, one thread")
    print(f"steps of {asked.batch} patches of {asked.patch}² in {asked.precision}, {asked.rounds} rounds; ", end="")
    print(f"{CLOCK[asked.device]} time, this project to the other")
    print(f"{'':<14}{'s':>9}{'s, other':>10}{'ratio':>7}{'from':>7}{'to':>7}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, measured in rows(asked, Path(folder)).items():
            if asked.row and name not in asked.row:
                continue
            times = measured()
            ours, other = (float(np.median(times[which])) for which in (OURS, OTHER))
            print(f"{name:<14}{ours:>9.3f}{other:>10.3f}{ratio(times, OURS, OTHER)}", flush=True)


if __name__ == "__main__":
    main()
