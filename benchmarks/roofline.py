"""What a pass of each backbone needs a pixel, what bounds it, and what share of the bound a training step reaches.

    python benchmarks/roofline.py [--side 96] [--batch 4] [--rounds 5] [--peak GFLOPS --bandwidth GBS]
    python benchmarks/roofline.py --device cuda --side 100 --batch 18 --ways float32,tfloat32,bfloat16+compiled

Multiply-adds are counted by torch's FlopCounterMode. Bytes are those of the inputs and outputs of every operator that
PyTorch dispatches, views left out: the traffic if no operator is fused with another and nothing stays in a cache. A
training step is a forward and a backward pass with L and a step of Adam. The bound of a step is the longer of its
operations at the peak of the machine and its bytes at the bandwidth. Both are measured, unless given: a product of
square matrices, in the number format of the way, and a copy of 256 MB. One thread.

--ways: float32, tfloat32 and bfloat16, as `training.precision`, each perhaps with another memory layout of the batches
than `derain.networks.formats.layout` chooses, +contiguous or +channels_last, and with the network by torch.compile,
+compiled, or in its mode reduce-overhead, +graphs.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any, ClassVar

import torch
from alternating import alternate, machine_of
from common import print_in_any_locale
from derain.method.losses import LOSSES
from derain.networks import build
from derain.networks.formats import layout, multiplying
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

GIGA = 1e9
NETWORKS = ("prenet", "nafnet", "restormer")  # each with its default options


LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
MODES = {"compiled": "default", "graphs": "reduce-overhead"}


class Bytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives it no types
    """Sums the bytes that the operators read and write."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives it no types
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator and count."""
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [each for each in tree_leaves((args, kwargs, out)) if isinstance(each, Tensor)]
            self.total += sum(each.numel() * each.element_size() for each in tensors)
        return out


class Step:
    """A training step of a network on noise."""

    loss: ClassVar = staticmethod(LOSSES["negative_ssim"])

    def __init__(self, backbone: str, batch: int, side: int, device: str) -> None:
        torch.manual_seed(0)
        self.network: nn.Module = build(backbone).to(device)
        self.clean = torch.rand(batch, 3, side, side, device=device).to(memory_format=torch.channels_last)
        self.rainy = (self.clean + 0.3 * torch.rand_like(self.clean)).clamp(0, 1)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-4, fused=device == "cuda" or None)

    def forward(self) -> None:
        """The forward pass alone, as for a test image."""
        with torch.no_grad():
            self.network(self.rainy)

    def __call__(self) -> None:
        """Forward, backward, Adam."""
        self.in_a_way(["float32"], self.network)

    def in_a_way(self, way: Sequence[str], network: nn.Module) -> None:
        """The same. way: number format, and what is added to it. network: as this one, or compiled."""
        number_format, *more = way
        in_memory = LAYOUTS[more[0]] if more and more[0] in LAYOUTS else layout(number_format, self.rainy.device)
        rainy, clean = (side.to(self.rainy.device, memory_format=in_memory) for side in (self.rainy, self.clean))
        self.optimizer.zero_grad(set_to_none=True)
        with multiplying(number_format):
            with torch.autocast(self.clean.device.type, torch.bfloat16, enabled=number_format == "bfloat16"):
                loss = self.loss(network(rainy), clean).mean()
            torch.autograd.backward(loss)
        self.optimizer.step()

    def timed(self, way: Sequence[str]) -> Callable[[], None]:
        """A training step in this way."""
        modes = [MODES[each] for each in way if each in MODES]
        network: Any = torch.compile(self.network, mode=modes[0]) if modes else self.network
        return partial(self.in_a_way, way, network)


def of_backward(output: Any, image: Any, weight: Any, *others: Any, **more: Any) -> int:
    """Operations of `aten.convolution_backward`, by the shapes of its arguments: each gradient that is asked for takes
    as many as the convolution. Torch (2.13) counts the gradient of the weights as if there were one group.
    """
    transposed, wanted = others[4], others[7]
    once: int = conv_flop_count(image, weight, output, transposed=transposed)
    return once * sum(wanted[:2])


def flops(work: Callable[[], None]) -> float:
    """Floating-point operations of convolutions and matrix products; a multiply-add is two."""
    counts = {torch.ops.aten.convolution_backward: of_backward}
    with FlopCounterMode(display=False, custom_mapping=counts) as counter:
        work()
    return counter.get_total_flops()


def traffic(work: Callable[[], None]) -> float:
    """Bytes."""
    with Bytes() as counter:
        work()
    return counter.total


def seconds(work: Callable[[], object], rounds: int, device: str) -> float:
    """Median over the rounds, after one that warms up."""
    return median(alternate({"": work}, rounds, device)["wall"][""])


def peak_of(way: str, rounds: int, device: str) -> float:
    """Operations a second of a matrix product."""
    side = 1536 if device == "cpu" else 8192
    a = torch.rand(side, side, device=device, dtype=torch.bfloat16 if way == "bfloat16" else torch.float32)
    with multiplying(way):
        return 2 * side**3 / seconds(lambda: a @ a, rounds, device)


def bandwidth_of(rounds: int, device: str) -> float:
    """Bytes a second of a copy, which reads and writes."""
    source = torch.rand(64 * 2**20, device=device)
    target = torch.empty_like(source)
    return 2 * source.numel() * 4 / seconds(lambda: target.copy_(source), rounds, device)


def main() -> None:
    """Count, measure, print."""
    print_in_any_locale()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"side": 96, "batch": 4, "rounds": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    parser.add_argument("--peak", type=float, metavar="GFLOPS", help="of the machine; measured by default")
    parser.add_argument("--bandwidth", type=float, metavar="GBS", help="of the machine; measured by default")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--ways", default="float32", help="with commas; default: %(default)s")
    parser.add_argument("--networks", default=",".join(NETWORKS), help="with commas; default: all")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    bandwidth = asked.bandwidth * GIGA if asked.bandwidth else bandwidth_of(asked.rounds, asked.device)
    print(f"{machine_of(asked.device)}, torch {torch.__version__}")
    print(f"one thread; {bandwidth / GIGA:.1f} GB/s")
    print(f"steps of {asked.batch} patches of {asked.side}²; multiply-adds and bytes are those of a pixel\n")
    print("| network | parameters | forward, multiply-adds | forward, bytes | step, multiply-adds | step, bytes |")
    print("|---|---|---|---|---|---|")
    pixels = asked.batch * asked.side**2
    steps = {name: Step(name, asked.batch, asked.side, asked.device) for name in asked.networks.split(",")}
    needs = {}
    for name, step in steps.items():
        forward = flops(step.forward) / 2 / pixels, traffic(step.forward) / pixels
        operations, moved = needs[name] = flops(step), traffic(step)
        count = sum(theta.numel() for theta in step.network.parameters())
        print(f"| {name} | {count:,} | {forward[0]:,.0f} | {forward[1]:,.0f} | {operations / 2 / pixels:,.0f} ", end="")
        print(f"| {moved / pixels:,.0f} |")
    print("\n| network | way | ms a step | GFLOP/s | peak, GFLOP/s | bound by | share of the bound |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for way in asked.ways.split(","):
        number_format, *_ = parts = way.split("+")
        peak = asked.peak * GIGA if asked.peak else peak_of(number_format, asked.rounds, asked.device)
        for name, step in steps.items():
            operations, moved = needs[name]
            spent = seconds(step.timed(parts), asked.rounds, asked.device)
            limits = {"operations": operations / peak, "bytes": moved / bandwidth}
            bound = max(limits, key=lambda limit: limits[limit])
            print(f"| {name} | {way} | {spent * 1000:,.1f} | {operations / spent / GIGA:,.0f} ", end="")
            print(f"| {peak / GIGA:,.0f} | {bound} | {limits[bound] / spent:.0%} |", flush=True)


if __name__ == "__main__":
    main()
