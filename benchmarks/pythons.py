"""Whether every pin can be had for each Python that is promised: python benchmarks/pythons.py [VERSION …]

Resolves requirements.txt and what builds on it for each version of the classifiers in pyproject.toml, or for those that
are named, with `uv pip compile`; installs nothing, and needs none of these Pythons, only uv (`pip install uv`) and a
package index. Packages count as to be had if they have a wheel for the platform that this runs on, but for those in
SOURCE_ONLY. Prints a table of packages, and what is in the way; ends with status 1 where anything is.
"""

import argparse
import re
import subprocess
import sys
import tomllib

from common import REPOSITORY

FILES = ("requirements.txt", "requirements-slurm.txt", "requirements-export.txt", "requirements-test.txt")
# Published without wheels for any Python, and built without a compiler; derain is this clone.
SOURCE_ONLY = ("connection-pool", "derain")


def promised() -> list[str]:
    """Versions of the classifiers."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    found = (re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in project["classifiers"])
    return [match[1] for match in found if match]


def resolve(file: str, version: str) -> tuple[int | None, str]:
    """How many packages a file comes to with a version, or None and what is in the way."""
    command = [sys.executable, "-m", "uv", "pip", "compile", file, "--python-version", version, "--quiet"]
    command += ["--no-header", "--no-annotate", "--only-binary", ":all:"]
    command += [argument for name in SOURCE_ONLY for argument in ("--no-binary", name)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return (None, done.stderr.strip()) if done.returncode else (len(done.stdout.splitlines()), "")


def main() -> None:
    """Resolve, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="*", metavar="VERSION", help="such as 3.14; by default those promised")
    versions = parser.parse_args().versions or promised()
    obstacles: dict[str, list[str]] = {}  # and where they are met
    print("Python  " + "  ".join(FILES))
    for version in versions:
        cells = []
        for file in FILES:
            packages, obstacle = resolve(file, version)
            cells.append(f"{'none' if packages is None else packages:>{len(file)}}")
            if packages is None:
                obstacles.setdefault(obstacle, []).append(f"{file} with {version}")
        print(f"{version:6}  " + "  ".join(cells), flush=True)
    for obstacle, places in obstacles.items():
        print(f"\n{', '.join(places)}:\n{obstacle}")
    sys.exit(1 if obstacles or not versions else 0)


if __name__ == "__main__":
    main()
