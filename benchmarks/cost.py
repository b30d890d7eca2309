"""What the embedded default experiment costs: python benchmarks/cost.py [--cores 2]

Runs it in a scratch folder and prints the CPU seconds (user + system, the engine included) and the largest memory of
any one process, as the operating system accounts them.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2)
    cores = parser.parse_args().cores
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--snakefile", str(ROOT / "Snakefile")]
        subprocess.run([*command, "--workflow-profile", str(ROOT / "profiles/default")], cwd=scratch, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"CPU seconds          {used.ru_utime + used.ru_stime:.0f}")
    print(f"largest process MiB  {used.ru_maxrss / 1024:.0f}")


if __name__ == "__main__":
    main()
