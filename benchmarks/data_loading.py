"""Training patches a second from the packed store, against decoding the image files for each patch, in one run.

python benchmarks/data_loading.py /data/Rain100H_test
python benchmarks/data_loading.py /data/rainy_image_dataset --layout rain1400 --split train --batches 500

Prints a table: loader, pairs in the set, patches a second, and the anonymous memory (RssAnon) of the main process
and of its workers together, which must not grow with the set: the store is also measured with its pairs many times
over.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import common  # noqa: F401  # finds the library
from derain.config.datasets import Folders
from derain.data.checks import check_pairs
from derain.data.discovery import discover
from derain.data.findings import ERROR
from derain.data.inspected import inspected
from derain.data.packing import list_only, pack
from derain.data.parallel import processors
from derain.data.patches import PatchSampler
from derain.data.roots import root_of
from derain.data.samples import Sample
from derain.data.store import PackedPairs
from torch.utils.data import DataLoader

Store = tuple[Path, Path, None]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder of a dataset")
    parser.add_argument("--layout", default="rain-norain", help="its layout (default: %(default)s)")
    parser.add_argument("--split", default="test", choices=("train", "test"))
    parser.add_argument("--clean", choices=("left", "right"), help="clean half of side-by-side images")
    parser.add_argument("--patch", type=int, default=100, help="side, pixels (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="patches (default: %(default)s)")
    parser.add_argument("--batches", type=int, default=200, help="of the packed store (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="of the data loader (default: %(default)s)")
    return parser.parse_args()


def samples_of(asked: argparse.Namespace, folder: Path) -> tuple[list[Sample], Path]:
    """The sound pairs of the split, and their root."""
    section = Folders(layout=asked.layout, root=asked.root, clean=asked.clean).model_dump(mode="json")
    found, _ = discover(section, trained=asked.split == "train")
    found = [sample for sample in found if sample.split == asked.split and sample.clean]
    root = root_of(section)
    inspections = inspected(root, found, folder / "files.json", "", "checking", lambda write: write())
    sound, findings = check_pairs(found, inspections, asked.patch, "reflect")
    faults = [str(finding) for finding in findings if finding.severity == ERROR]
    if faults or not sound:
        sys.exit("\n".join(faults) or f"no pairs of {asked.split} below {root}")
    return sound, root


def anonymous_memory() -> float:
    """RssAnon of this process and its children, MiB."""
    me = os.getpid()
    workers = Path(f"/proc/{me}/task/{me}/children").read_text().split()
    status = "".join(Path(f"/proc/{process}/status").read_text() for process in (me, *workers))
    return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:")) / 1024


def measure(stores: list[Store], asked: argparse.Namespace, batches: int) -> tuple[int, float, float]:
    """Pairs, patches a second after the first batches, anonymous memory in the end."""
    pairs = PackedPairs(stores, asked.split)
    sampler = PatchSampler(pairs, asked.patch, asked.batch, seed=(0,))
    warm = 2 * asked.workers
    loader: Iterator[object] = iter(
        DataLoader(
            sampler,
            batch_size=None,
            sampler=range(warm + batches),
            num_workers=asked.workers,
            multiprocessing_context="fork",
        )
    )
    for _ in range(warm):
        next(loader)
    start = time.perf_counter()
    memory = 0.0
    for n, _ in enumerate(loader):
        if n == batches - 1 - warm:  # the workers are still there
            memory = anonymous_memory()
    return len(pairs), batches * asked.batch / (time.perf_counter() - start), memory


def main() -> None:
    """Pack into a temporary folder, measure, print."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples, root = samples_of(asked, folder)
        packed, files = ((folder / f"{kind}.csv", folder / f"{kind}.bin", None) for kind in ("packed", "files"))
        start = time.perf_counter()
        pack(samples, root, packed[1], packed[0], processors())
        seconds = time.perf_counter() - start
        list_only(samples, root, files[1], files[0])
        size = packed[1].stat().st_size / 2**20
        print(f"packed {len(samples)} pairs, {size:.0f} MiB, in {seconds:.1f} s with {processors()} threads\n")
        print(f"{'loader':<24}{'pairs':>8}{'patches/s':>12}{'RssAnon MiB':>14}")
        rates = {}
        for loader, stores, batches in (
            ("files, decoded", [files], max(5, asked.batches // 20)),
            ("packed", [packed], asked.batches),
            ("packed, 20 times over", [packed] * 20, asked.batches),
        ):
            # A process of its own: workers inherit the memory of the one that starts them.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
                pairs, rates[loader], memory = fresh.submit(measure, stores, asked, batches).result()
            print(f"{loader:<24}{pairs:>8}{rates[loader]:>12.0f}{memory:>14.0f}", flush=True)
        print(f"\npacked / files: {rates['packed'] / rates['files, decoded']:.1f}")


if __name__ == "__main__":
    main()
