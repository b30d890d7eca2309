"""What this project does on a GPU: python benchmarks/gpu/run.py CALL PACKED OUT [--device cpu --tiny]

Two calls, of at most five minutes each on an H100, without a network. PACKED: a folder of benchmarks/gpu/pack.py. The
parts of CALL:

first     tests: those marked `cuda`, against the CPU in float64
          rows: `python -m benchmarks`, 18 patches of 100², in float32 and in tfloat32
          steps: milliseconds and TFLOP/s of a published step of each network in each number format, and what bounds it
          ways: the same of PReNet with other memory layouts and compiled
second    workflow: a second stage of benchmarks/faults/small.yaml through Snakemake, with `device: cuda`; twice, and
          whether the second results folder has the same bytes
          sequence: benchmarks/published_sequence with the published batch in tfloat32, as many steps as --steps

--only: some parts, with commas. Each part has a time limit, after which the next one begins. Prints what they print,
with the seconds of each, also into OUT/CALL.txt; ends with status 1 where a part fails or does not end. --tiny: small
shapes and few steps, to rehearse with --device cpu.

What PACKED has of wheels is installed for these programs alone, into OUT/site.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

REPOSITORY = Path(__file__).resolve().parents[2]
PIP = ["-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-compile", "--upgrade", "--target"]


TARGET = "results/stages/net/seed0/held/mild/heavy/scores/all.csv"


class Part(NamedTuple):
    """A program of a call. limit: seconds."""

    name: str
    limit: int
    arguments: Sequence[str]


def parts(asked: argparse.Namespace) -> list[Part]:
    """Of the call."""
    tiny, device = asked.tiny, asked.device
    batch, side = ("2", "32") if tiny else ("18", "100")
    shape = ["--device", device, "--batch", batch, "--rounds", "2" if tiny else str(asked.rounds)]
    mark = "cuda" if device == "cuda" else "not slow"
    formats = ("float32", "tfloat32", "bfloat16")
    ways = ["float32+channels_last", "tfloat32+contiguous", "tfloat32+compiled"]
    ways += [f"{each}+graphs" for each in formats]
    authors = ["--authors", str(asked.authors)] if asked.authors else []
    calls = {
        "first": [
            Part("tests", 80, ["-m", "pytest", "-p", "no:cacheprovider", "-n", "4", "-m", mark, "tests/gpu"]),
            Part("rows", 90, ["-m", "benchmarks", *shape, "--patch", side, *authors]),
            Part("rows in tfloat32", 60, [
                "-m", "benchmarks", *shape, "--patch", side, "--precision", "tfloat32", *authors,
                *(("bare-step", "loop") if authors else ()), "penalty", "distillation", "busy",
            ]),
            Part("steps", 50, ["benchmarks/roofline.py", *shape, "--side", side, "--ways", ",".join(formats)]),
            Part("ways", 110, [
                "benchmarks/roofline.py", *shape, "--side", side, "--networks", "prenet", "--ways", ",".join(ways),
            ]),
        ],
        "second": [
            Part("workflow", 120, [
                "benchmarks/gpu/twice.py", str(asked.out / "small"), "--device", device, "--target", TARGET,
            ]),
            Part("sequence", 170, [
                "benchmarks/published_sequence/run.py", str(asked.packed / "data"), str(asked.out / "sequence"),
                "--device", device, "--directions", "rain100h-light", "--images", "2" if tiny else "10",
                "--steps", "2" if tiny else str(asked.steps), "--batch", batch, "--patch", side,
                "--cores", "2" if tiny else "8", "--tables", "--rates", "1e-4", "--precision", "tfloat32",
            ]),
        ],
    }  # fmt: skip
    return calls[asked.call]


def run(part: Part, environment: dict[str, str], out: TextIO) -> bool:
    """Run a part and show what it prints; whether it ended well within its limit."""
    show(f"\n## {part.name}\n", out)
    start = time.monotonic()
    command = ["timeout", str(part.limit), sys.executable, *part.arguments]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout
    for line in process.stdout:
        show(line.rstrip(), out)
    status = process.wait()
    show(f"\n{part.name}: status {status}, {time.monotonic() - start:.0f} s", out)
    return status == 0


def show(line: str, out: TextIO) -> None:
    """Print and write a line."""
    for file in (sys.stdout, out):
        print(line, file=file, flush=True)


def main() -> None:
    """Install, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("call", choices=("first", "second"))
    parser.add_argument("packed", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="cuda", choices=("cpu", "cuda"))
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--authors", type=Path, metavar="FOLDER", help="a clone of github.com/csdwren/PReNet")
    asked = parser.parse_args()
    asked.packed, asked.out = asked.packed.absolute(), asked.out.absolute()
    asked.out.mkdir(parents=True, exist_ok=True)
    site = asked.out / "site"
    found = sorted(map(str, (asked.packed / "wheels").glob("*.whl")))
    if found and not site.exists():
        subprocess.run([sys.executable, *PIP, str(site), *found], check=True)
    places = [str(site), str(REPOSITORY / "scripts"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, places)), "PYTHONUNBUFFERED": "1"}
    with (asked.out / f"{asked.call}.txt").open("w", encoding="utf-8") as out:
        show(f"{platform.platform()}, Python {platform.python_version()}", out)
        only = asked.only.split(",") if asked.only else [part.name for part in parts(asked)]
        ended = [run(part, environment, out) for part in parts(asked) if part.name in only]
    sys.exit(not all(ended))


if __name__ == "__main__":
    main()
