"""Published figures of PReNet, PReNet_r, PRN and PRN_r, computed again by this project's own rules.

    python benchmarks/published.py DATA [--output FOLDER] [--images N] [--cores N]

DATA holds what the authors of PReNet published: the test pairs of Rain100H and Rain100L (old release) as
`<set>_test/{rain,norain}/<the same name>.png`, and their weights as `published-weights/<set>-<network>6[_r].pth`.
All 800 images take about 50 CPU-minutes. Ends with status 1 where PReNet misses its published figure on Y
by more than 0.02 dB or 0.001, or another network by more than 0.05 dB.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
from common import REPOSITORY, print_in_any_locale

SETS = ("Rain100H", "Rain100L")
# network → file name, options of the backbone
NETWORKS = {
    "PReNet": ("PReNet6", {}),
    "PReNet_r": ("PReNet6_r", {"shared_block": True}),
    "PRN": ("PRN6", {"lstm": False}),
    "PRN_r": ("PRN6_r", {"lstm": False, "shared_block": True}),
}
# PSNR in dB and SSIM on Y, from the README of PReNet's authors, who truncate to 8 bits.
PUBLISHED = {
    ("PReNet", "Rain100H"): (29.46, 0.899),
    ("PReNet_r", "Rain100H"): (28.98, 0.892),
    ("PRN", "Rain100H"): (28.07, 0.884),
    ("PRN_r", "Rain100H"): (27.43, 0.874),
    ("PReNet", "Rain100L"): (37.48, 0.979),
    ("PReNet_r", "Rain100L"): (37.10, 0.977),
    ("PRN", "Rain100L"): (36.99, 0.977),
    ("PRN_r", "Rain100L"): (36.11, 0.973),
}
TOLERANCE = {"PReNet": (0.02, 0.001)}
TOLERANCE_OF_OTHERS = (0.05, float("inf"))


def config(data: Path, images: Path) -> dict[str, object]:
    """An experiment that trains nothing: every published network on the test set that it was made for."""
    return {
        "device": "cpu",
        "datasets": {
            name: {
                "layout": "folders",
                "root": str(images),
                "test": {"rainy": f"{name}_test/rain/{{scene}}.png", "clean": f"{name}_test/norain/{{scene}}.png"},
            }
            for name in SETS
        },
        "networks": {
            f"{network}-{name}": {
                "backbone": "prenet",
                **options,
                "initial_weights": str(data / "published-weights" / f"{name}-{file}.pth"),
                "evaluate_only": True,
                "scored_on": [name],
            }
            for network, (file, options) in NETWORKS.items()
            for name in SETS
        },
        "evaluation": {"datasets": list(SETS), "rounding": ["truncate", "nearest", "none"], "previews": 1},
    }


def first_images(data: Path, count: int, folder: Path) -> Path:
    """Links to the first pairs of both sets, laid out as in `data`."""
    for side in (f"{name}_test/{side}" for name in SETS for side in ("rain", "norain")):
        target = folder / side
        target.mkdir(parents=True, exist_ok=True)
        for file in sorted((data / side).glob("*.png"))[:count]:
            link = target / file.name
            link.unlink(missing_ok=True)
            link.symlink_to(file)
    return folder


def evaluate(settings: dict[str, object], folder: Path, cores: int) -> pd.DataFrame:
    """The score matrix of an experiment, by the project's workflow in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    # JSON is YAML.
    (folder / "published.yaml").write_text(json.dumps(settings, indent=2), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(REPOSITORY / "Snakefile"),
        "--directory",
        str(folder),
    ]
    command += ["--configfile", str(folder / "published.yaml"), "--cores", str(cores)]
    if status := subprocess.run(command, check=False).returncode:
        sys.exit(status)
    return pd.read_csv(folder / "results/tables/matrix.csv")


def report(matrix: pd.DataFrame, whole: bool) -> bool:
    """Print ours beside the published figures; whether all of ours are within the tolerances.

    whole: all images were scored; the published figures say nothing about a few of them.
    """
    by_name = matrix.set_index(["network", "dataset", "rounding"]).sort_index()
    print("set       network    rounding   PSNR Y   SSIM Y  PSNR RGB  SSIM RGB   published Y     ours − published")
    good = True
    for dataset in SETS:
        rainy = by_name.loc[(f"PReNet-{dataset}", dataset, "truncate")]
        print(
            f"{dataset}  rainy      -         {rainy.rainy_psnr_y_db:7.3f}  {rainy.rainy_ssim_y:.4f}   "
            f"{rainy.rainy_psnr_rgb_db:7.3f}    {rainy.rainy_ssim_rgb:.4f}   ({rainy.images} images)"
        )
        for network in NETWORKS:
            psnr, ssim = PUBLISHED[network, dataset]
            for rounding in ("truncate", "nearest", "none"):
                ours = by_name.loc[(f"{network}-{dataset}", dataset, rounding)]
                line = (
                    f"{dataset}  {network:9}  {rounding:8}  {ours.psnr_y_db:7.3f}  {ours.ssim_y:.4f}   "
                    f"{ours.psnr_rgb_db:7.3f}    {ours.ssim_rgb:.4f}"
                )
                if rounding == "truncate" and whole:
                    off = ours.psnr_y_db - psnr, ours.ssim_y - ssim
                    allowed = TOLERANCE.get(network, TOLERANCE_OF_OTHERS)
                    within = all(abs(value) <= most for value, most in zip(off, allowed, strict=True))
                    line += f"   {psnr:.2f} / {ssim:.3f}  {off[0]:+.3f} / {off[1]:+.4f}{'' if within else '  MISSED'}"
                    good &= within
                print(line)
    return good


def main() -> None:
    """Evaluate, print, judge."""
    print_in_any_locale()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with the test pairs and the weights")
    parser.add_argument("--output", type=Path, default=Path("results/published"), help="default: %(default)s")
    parser.add_argument("--images", type=int, help="only the first of each set, for a trial")
    parser.add_argument("--cores", type=int, default=2, help="networks at a time (default: %(default)s)")
    options = parser.parse_args()
    data, output = options.data.resolve(), options.output.resolve()
    images = data
    if options.images:
        output = output.with_name(f"{output.name}-{options.images}")
        images = first_images(data, options.images, output / "data")
    sys.exit(0 if report(evaluate(config(data, images), output, options.cores), not options.images) else 1)


if __name__ == "__main__":
    main()
