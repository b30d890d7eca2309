"""Collect what a GPU machine without a network needs, in one folder: python benchmarks/gpu/pack.py DATA FOLDER

DATA: as for benchmarks/published_sequence/run.py. FOLDER gets

wheels/   requirements-pins.txt and pytest with all that they need, for --python, without --present
data/     the weights, photographs and pairs that the direction rain100h-light of benchmarks/published_sequence needs,
          with the first --images pairs of each test set

--present: names of packages that the machine has, with commas, or a file with such names in lines, as `pip list
--format=freeze` prints them there. torch and what CUDA needs are always taken as present. Versions are those of this
environment. Ends with status 1 where FOLDER is larger than --limit MiB.
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Set
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]
TESTS = ("pytest", "pytest-xdist")
# Not needed there: torch comes with the machine; the page draws its charts in the browser and is not printed.
PRESENT = re.compile(r"torch|triton|nvidia-.*|cuda-.*|sympy|mpmath|networkx|vl-convert-python|pip|setuptools")
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (39, 35, 34, 31, 28, 27, 24, 17)] + ["manylinux2014_x86_64"]


def needed(roots: list[str], present: Set[str], version: str) -> dict[str, str]:
    """Versions by name, of packages and all that they need on Linux, by what is installed here."""
    environment = {"extra": "", "sys_platform": "linux", "platform_system": "Linux", "python_version": version}
    found: dict[str, str] = {}
    waiting = list(roots)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found or name in present or PRESENT.fullmatch(name):
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # of a marker that does not hold here
        found[name] = package.version
        for line in package.requires or ():
            asked = Requirement(line)
            if asked.marker is None or asked.marker.evaluate(environment):
                waiting.append(asked.name)
    return found


def wheels(folder: Path, packages: dict[str, str], version: str) -> None:
    """Write the wheel of each package; what has none is built here."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, number in sorted(packages.items()):
        asked = [f"{name}=={number}", "--no-deps", "-q"]
        binary = ["--only-binary=:all:", "--python-version", version, "--implementation", "cp"]
        for platform in PLATFORMS:
            binary += ["--platform", platform]
        pip = [sys.executable, "-m", "pip"]
        if subprocess.run([*pip, "download", *asked, *binary, "-d", str(folder)], stderr=subprocess.DEVNULL).returncode:
            subprocess.run([*pip, "wheel", *asked, "-w", str(folder)], check=True)


def data(source: Path, folder: Path, images: int) -> None:
    """Copy the files that benchmarks/published_sequence reads."""
    pairs = {"Rain100H_test": "norain-{}.png", "Rain100L_test": "{}.png"}
    photographs = sorted((source / "BSDS500_test").glob("*.jpg"))
    files = [
        source / "published-weights/Rain100H-PReNet6.pth",
        *photographs[:160],  # training and validation
        *photographs[-images:],
        *(source / "Rain200H_train20_JORDERE").glob("*/*.*"),
        *(
            source / name / side / pattern.format(n)
            for name, pattern in pairs.items()
            for side in ("rain", "norain")
            for n in range(1, images + 1)
        ),
    ]
    for file in files:
        copy = folder / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


def main() -> None:
    """Collect, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default="3.12", help="version of Python there; default: %(default)s")
    parser.add_argument("--present", default="", help="names, with commas, or a file with them")
    parser.add_argument("--images", type=int, default=10, help="of each test set; default: %(default)s")
    parser.add_argument("--limit", type=int, default=60, metavar="MIB", help="default: %(default)s")
    asked = parser.parse_args()
    is_file = "," not in asked.present and Path(asked.present).is_file()  # a long list is no name of a file
    text = Path(asked.present).read_text(encoding="utf-8") if is_file else asked.present
    present = {canonicalize_name(re.split("[=<>@ ]", name)[0]) for name in re.split(r"[,\n]\s*", text) if name}
    lines = (REPOSITORY / "requirements-pins.txt").read_text(encoding="utf-8").splitlines()
    roots = [re.split("[=<> ]", line)[0] for line in lines if line and line[0] not in "#-"]
    packages = needed([*roots, *TESTS], present, asked.python)
    wheels(asked.folder / "wheels", packages, asked.python)
    data(asked.data, asked.folder / "data", asked.images)
    size = sum(file.stat().st_size for file in asked.folder.rglob("*") if file.is_file()) / 2**20
    print(f"{asked.folder}: {size:.1f} MiB, {len(packages)} packages")
    sys.exit(size > asked.limit)


if __name__ == "__main__":
    main()
