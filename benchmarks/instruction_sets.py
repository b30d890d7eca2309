"""The same work under other vector instructions of this processor: how far another machine's figures may lie.

    python benchmarks/instruction_sets.py OUT [--configfile small.yaml]
    python benchmarks/instruction_sets.py --run pytest -m "numerical and not slow"

Runs the default experiment, or that of --configfile, once under each instruction set, in folders below OUT; run again,
it goes on. Prints average and forgetting (PSNR on Y in dB, mean over seeds) by order and method, from the least to the
greatest. --run: any command under the sets that the machine does not take by itself; ends with status 1 where it fails
under one of them.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
from common import REPOSITORY, print_in_any_locale
from derain.curriculum import as_read
from derain.evaluation.reading import read_table
from derain.machine import processor
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

CAPABILITY = "import torch; print(torch.backends.cpu.get_cpu_capability())"
METRIC = "psnr_y_db"


def without(*levels: str) -> str:
    """NumPy's kernels for this processor, but those of some x86 levels; it refuses names that a processor lacks."""
    return " ".join(name for name in __cpu_dispatch__ if __cpu_features__[name] and name not in levels)


SETS = {
    "all": {},
    "AVX2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "NPY_DISABLE_CPU_FEATURES": without("X86_V3"),
    },
    "SSE4.1": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "NPY_DISABLE_CPU_FEATURES": without(),
    },
}


def environment(name: str) -> dict[str, str]:
    """Of a process that is held to an instruction set."""
    return os.environ | SETS[name]


def run(name: str, command: list[str]) -> int:
    """Run a command under an instruction set, which is told; its exit status."""
    used = subprocess.check_output([sys.executable, "-c", CAPABILITY], env=environment(name), text=True).strip()
    limits = " ".join(f"{key}='{value}'" for key, value in SETS[name].items())
    print(f"\n{name}: torch's capability is {used}; {limits or 'nothing set'}", flush=True)
    return subprocess.run(command, env=environment(name), check=False).returncode


def experiment(out: Path, configfile: Path | None) -> None:
    """Run it under each set and print the scores side by side."""
    columns = {}
    for name in SETS:
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--directory", str(folder), "--quiet", "all"]
        command += ["--snakefile", str(REPOSITORY / "Snakefile")]
        command += ["--workflow-profile", str(REPOSITORY / "profiles/default")]
        if run(name, [*command, *(["--configfile", str(configfile)] if configfile else [])]):
            sys.exit(f"{name}: the experiment failed")
        table = read_table(folder / "results/tables/continual.csv")
        of_metric = table[table["metric"] == METRIC].groupby(["order", "method"], sort=False)
        columns[name] = of_metric[["average", "forgetting"]].mean()
    print(f"\n{processor()}; PSNR on Y in dB, average / forgetting\n")
    print(f"| order | method | {' | '.join(SETS)} | average, least to greatest | forgetting, least to greatest |")
    print("|---|---|" + "---|" * (len(SETS) + 2))
    for order, method in columns["all"].index:
        of_sets = [tuple(scores.loc[order, method]) for scores in columns.values()]
        figures = [" / ".join(map(told, scores)) for scores in of_sets]
        ranges = [f"{told(min(of))} to {told(max(of))}" for of in zip(*of_sets, strict=True)]
        print(f"| {' | '.join([as_read(order), method, *figures, *ranges])} |")


def told(decibels: float) -> str:
    """As in the tables of the docs; – for what a method does not have."""
    return "–" if pd.isna(decibels) else f"{decibels:.2f}".replace("-", "−")


def main() -> None:
    """Run what is asked for."""
    print_in_any_locale()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--configfile", type=Path)
    parser.add_argument("--run", nargs=argparse.REMAINDER, metavar="COMMAND")
    asked = parser.parse_args()
    if asked.run:
        failed = [name for name, limits in SETS.items() if limits and run(name, asked.run)]
        sys.exit(f"failed under {', '.join(failed)}" if failed else 0)
    if not asked.out:
        parser.error("where to? OUT, or a command behind --run")
    experiment(asked.out, asked.configfile and asked.configfile.resolve())


if __name__ == "__main__":
    main()
