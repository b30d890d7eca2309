"""Make a target of benchmarks/faults/small.yaml twice on a device and compare: python benchmarks/gpu/twice.py OUT

Prints the seconds of both runs, and what benchmarks/compare.py finds: equal bytes are a fact about this machine, not a
promise. Ends with status 1 only where a run fails.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]


def main() -> None:
    """Run, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="cuda", choices=("cpu", "cuda"))
    parser.add_argument("--target", default="summarise", help="of the workflow (default: %(default)s)")
    asked = parser.parse_args()
    config = yaml.safe_load((REPOSITORY / "benchmarks/faults/small.yaml").read_text(encoding="utf-8"))
    config |= {"device": asked.device}
    results = []
    for name in ("once", "again"):
        folder = asked.out.absolute() / name
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "experiment.yaml"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "all"]
        command += ["--directory", str(folder), "--configfile", str(file), "--quiet", "all", "--", asked.target]
        start = time.monotonic()
        subprocess.run(command, check=True)
        print(f"{asked.device}, {name}: {time.monotonic() - start:.0f} s", flush=True)
        results.append(str(folder / "results"))
    done = subprocess.run([sys.executable, str(REPOSITORY / "benchmarks/compare.py"), *results], check=False)
    print("the same bytes" if done.returncode == 0 else "not the same bytes")


if __name__ == "__main__":
    main()
