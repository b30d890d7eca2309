"""How long a plan takes: 3 orders × 6 datasets × 8 methods × 3 seeds, before anything is made and when all is; and how
long the Snakefile alone, which every job on a cluster reads again, beside an empty one.

    python benchmarks/planning.py

Nothing is trained: in a temporary folder every file is an empty one that the engine is told to take as made.
"""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from common import REPOSITORY

RAIN = {"angle": [-10, 10], "length": [7, 11], "width": 1.2, "density": 0.02, "brightness": [0.2, 0.4]}
SMALL = {"renders": 1, "tile": 48, "tiles": 1, "train": ["rocket.jpg"]}
EXPERIMENT = {
    "orders": [list("abcdef"), list("fedcba"), list("cafebd")],
    "seeds": [0, 1, 2],
    "datasets": {name: {"layout": "rendered", "rain": RAIN, "seed": n} | SMALL for n, name in enumerate("abcdef")},
    "networks": {"net": {"backbone": "prenet"}},
    "importances": {"gradient": {}, "fisher": {"power": "squared"}, "output": {"of": "output"}},
    "memories": {"pairs": {}},
    "methods": {
        "finetune": {},
        "nr": {"penalty": {"importance": "gradient", "strength": 1}, "distillation": {"strength": 0.1}},
        "penalty": {"penalty": {"importance": "gradient", "strength": 1}},
        "ewc": {"penalty": {"importance": "fisher", "strength": 1}},
        "mas": {"penalty": {"importance": "output", "strength": 1}},
        "lwf": {"distillation": {"strength": 1}},
        "l2": {"penalty": {"strength": 1}},
        "replay": {"memory": {"name": "pairs"}},
    },
    "joint": {"steps_per_dataset": 220},
    "evaluation": {"theory_patches": 16},
}


def snakemake(folder: Path, *arguments: str, snakefile: Path = REPOSITORY / "Snakefile") -> tuple[str, float]:
    """What Snakemake prints, and the seconds that it takes."""
    command = [sys.executable, "-m", "snakemake", "-s", str(snakefile), "--configfile", "experiment.yaml"]
    start = time.monotonic()
    run = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout + run.stderr, time.monotonic() - start


def reading(folder: Path, times: int = 5) -> None:
    """Print how long the Snakefile and an empty one take to be read, in turns."""
    empty = folder / "empty"
    empty.write_text("rule nothing:\n", encoding="utf-8")
    taken: dict[Path, list[float]] = {REPOSITORY / "Snakefile": [], empty: []}
    for _ in range(times):
        for snakefile, seconds in taken.items():
            seconds.append(snakemake(folder, "--list-rules", snakefile=snakefile)[1])
    whole, nothing = map(statistics.median, taken.values())
    print(f"the Snakefile is read in {whole:.2f} s, an empty one in {nothing:.2f} s: {whole - nothing:.2f} s more")


def main() -> None:
    """Print the seconds of reading, and the jobs and the seconds of both plans."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "experiment.yaml").write_text(yaml.safe_dump(EXPERIMENT), encoding="utf-8")
        snakemake(folder, "-n", "--quiet", "all")  # looks at the datasets, once
        reading(folder)
        plan, seconds = snakemake(folder, "-n")
        jobs = re.findall(r"^total +(\d+)$", plan, re.MULTILINE)[-1]
        print(f"nothing is made: {jobs} jobs planned in {seconds:.1f} s")
        for outputs in re.findall(r"^    output: (.+)$", plan, re.MULTILINE):
            for output in outputs.split(", "):
                (folder / output).parent.mkdir(parents=True, exist_ok=True)
                (folder / output).touch()
        snakemake(folder, "-F", "--touch", "--cores", "1", "--quiet", "all")
        plan, seconds = snakemake(folder, "-n")
        assert "Nothing to be done" in plan, plan
        print(f"all is made: no job planned in {seconds:.1f} s")


if __name__ == "__main__":
    main()
