"""Memory and speed of restoring large photographs: python benchmarks/restoring.py PHOTOGRAPHS WEIGHTS [WHAT …]

PHOTOGRAPHS: a folder of images; WEIGHTS: published weights of PReNet (T = 6). WHAT, by default all of them:

memory      `derain restore` of the first --images photographs of at most a megapixel and then of one of --megapixels:
            the largest resident memory of the process, as the operating system reports it at its end, beside its limit,
            2 GB by default
tiles       a photograph of 2 megapixels whole and in tiles: the largest difference of the outputs
throughput  megapixels a second of `derain restore` in one process beside the bare network's on the same tiles,
            alternating, on the first --images photographs of at most a megapixel
evaluation  the workflow scores one test image of 3840 × 2160: the largest resident memory of any of its processes

Large photographs are mosaics of PHOTOGRAPHS. Prints a row for each, and ends with 1 where a bound is missed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from common import REPOSITORY
from derain.allocator import keep_freed_memory
from derain.data.patches import as_tensor
from derain.evaluation.restoring import clamped_output
from derain.evaluation.tiles import restored_output, tiles_of
from derain.machine import instruction_set, processor
from derain.restoration.files import restoration, restore_files
from derain.restoration.loading import load
from derain.restoration.photographs import photographs
from derain.restoration.pictures import size_of
from PIL import Image

GB = 10**9  # bytes
REPEATS = 3


def mosaic(files: list[Path], height: int, width: int) -> np.ndarray:
    """An image of this size, filled with the images of files."""
    out = np.zeros((height, width, 3), np.uint8)
    images = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    side = min(min(image.shape[:2]) for image in images)
    for n, top in enumerate(range(0, height, side)):
        for k, left in enumerate(range(0, width, side)):
            part = images[(7 * n + k) % len(images)][: height - top, : width - left][:side, :side]
            out[top : top + part.shape[0], left : left + part.shape[1]] = part
    return out


def peak_of(command: list[str], folder: Path) -> int:
    """The largest resident memory of a command and its children, bytes."""
    measured = "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL); "
    measured += "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", measured, *command], cwd=folder, stdout=subprocess.PIPE, check=True)
    code, kilobytes = map(int, done.stdout.split())
    if code:
        sys.exit(f"{' '.join(command)}: ended with {code}")
    return kilobytes * 1024


def of_memory(files: list[Path], weights: Path, folder: Path, asked: argparse.Namespace) -> tuple[str, bool]:
    """Peak of `derain restore`."""
    height = round((asked.megapixels * 1e6 / 1.5) ** 0.5)
    Image.fromarray(mosaic(files, height, round(height * 1.5))).save(folder / "large.jpg", quality=95)
    before = [str(file) for file in files if size_of(file) <= 1e6][: asked.images]
    command = [sys.executable, "-m", "derain", "restore", *before, "large.jpg", "-o", "out", "-n", str(weights)]
    start = time.monotonic()
    peak = peak_of([*command, "--backbone", "prenet", "--device", "cpu"], folder)
    seconds = time.monotonic() - start
    with Image.open(folder / "out/large.jpg") as output:
        assert output.size == (round(height * 1.5), height)
    text = f"{len(before)} photographs and then one of {asked.megapixels:g} megapixels within {peak / GB:.2f} GB"
    return f"{text}, {seconds:.0f} s", peak <= 2 * GB


def of_tiles(files: list[Path], weights: Path, folder: Path, asked: argparse.Namespace) -> tuple[str, bool]:
    """Differences of all pixels, unrounded and rounded."""
    del folder, asked
    network, rainy = load(weights, "prenet"), mosaic(files, 1152, 1728)
    whole = clamped_output(network, rainy)
    tiled = restored_output(network, rainy, 640)
    difference = float(np.abs(tiled - whole).max())
    levels = np.rint(tiled * 255).astype(int) - np.rint(whole * 255).astype(int)
    text = f"largest difference {difference:.1e} of 1; {np.count_nonzero(levels)} of {levels.size} values differ by "
    return f"{text}{np.abs(levels).max()} level of 8 bits", bool(difference <= 64 * np.finfo(np.float32).eps)


def of_throughput(files: list[Path], weights: Path, folder: Path, asked: argparse.Namespace) -> tuple[str, bool]:
    """Ratio of the program's megapixels a second to the bare network's."""
    keep_freed_memory()  # as `derain restore` does
    network = load(weights, "prenet")
    small = [file for file in files if size_of(file) <= 1e6][: asked.images]
    todo, _ = photographs(map(str, small), folder, compare=False)
    how = restoration(network, todo, 2 * GB)
    images = [as_tensor(np.asarray(Image.open(each.file).convert("RGB"))).permute(2, 0, 1)[None] for each in todo]
    pixels = sum(image[0, 0].numel() for image in images)

    def program() -> None:
        with tempfile.TemporaryDirectory() as out:
            assert not restore_files(todo, Path(out), how, overwrite=False).faults

    def bare() -> None:
        with torch.inference_mode():
            for image in images:
                for _, (rows, columns) in tiles_of(image.shape[2], image.shape[3], how.side, how.field):
                    network(image[..., rows, columns])

    def seconds(run: Callable[[], None]) -> float:
        start = time.monotonic()
        run()
        return time.monotonic() - start

    bare()
    times = [(seconds(program), seconds(bare)) for _ in range(REPEATS)]
    ratio = statistics.median(of_bare / of_program for of_program, of_bare in times)
    speeds = [pixels / 1e6 / statistics.median(column) for column in zip(*times, strict=True)]
    text = f"{speeds[0]:.4f} megapixels a second, the bare network {speeds[1]:.4f}: ratio {ratio:.3f}"
    return f"{text} (median of {REPEATS}, {len(todo)} photographs, {pixels / 1e6:.1f} megapixels)", ratio >= 0.9


def of_evaluation(files: list[Path], weights: Path, folder: Path, asked: argparse.Namespace) -> tuple[str, bool]:
    """Peak of a workflow that scores one large image."""
    del asked
    clean = mosaic(files, 2160, 3840)
    rainy = np.clip(clean.astype(int) + np.random.default_rng(0).integers(0, 60, (2160, 3840, 1)), 0, 255)
    for side, image in (("norain", clean), ("rain", rainy.astype(np.uint8))):
        (folder / "4k" / side).mkdir(parents=True)
        Image.fromarray(image).save(folder / "4k" / side / "1.png")
    place = {"rainy": "rain/{scene}.png", "clean": "norain/{scene}.png"}
    config = {
        "device": "cpu",
        "datasets": {"large": {"layout": "folders", "root": "4k", "test": place}},
        "networks": {"published": {"backbone": "prenet", "initial_weights": str(weights), "evaluate_only": True}},
        "evaluation": {"datasets": ["large"]},
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    command = ["snakemake", "--cores", "all", "--directory", str(folder), "--configfile", str(folder / "config.json")]
    peak = peak_of([*command, "--quiet", "all"], REPOSITORY)
    return f"3840 × 2160 scored within {peak / GB:.2f} GB", peak <= 3 * GB


MEASUREMENTS = {"memory": of_memory, "tiles": of_tiles, "throughput": of_throughput, "evaluation": of_evaluation}


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("what", nargs="*", choices=[*MEASUREMENTS, []], metavar="WHAT")
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("--images", type=int, default=6)
    asked = parser.parse_args()
    files = sorted(path.resolve() for path in asked.photographs.iterdir())
    print(
        f"{processor()}, {instruction_set()}, {torch.get_num_threads()} threads, torch {torch.__version__}", flush=True
    )
    kept = True
    for name in asked.what or MEASUREMENTS:
        with tempfile.TemporaryDirectory() as folder:
            text, good = MEASUREMENTS[name](files, asked.weights.resolve(), Path(folder), asked)
        print(f"{name}: {text}{'' if good else ' (misses its bound)'}", flush=True)
        kept &= good
    sys.exit(not kept)


if __name__ == "__main__":
    main()
