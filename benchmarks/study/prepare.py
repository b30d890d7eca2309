"""The data of the study, and of the development sequence: python benchmarks/study/prepare.py DATA OUT

DATA holds Rain100H_test, Rain100L_test (each rain/, norain/; the old releases), BSDS500_test (photographs) and
RealRain147 (rain/). OUT gets a folder of pairs for each dataset, split by background across all of them: a background
that is in a test split of one dataset is in no other split of any.

heavy, light: Rain100H and Rain100L, which rain on the same 100 photographs; medium: rain rendered on half of the
photographs of BSDS500; hazy: other rain on the same half, behind a veil. dense, broad, fine: rain rendered on the other
half, the development sequence; real: every fifteenth photograph of real rain, by name.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common  # noqa: F401  # finds the library
from derain.data.inspection import inspect
from derain.data.leaks import CLEAN, View, find_leaks
from derain.data.rain import Rain, add_rain
from derain.data.samples import SPLITS, WHOLE

# Of 100 photographs: training, validation, test.
SHARES = (0.84, 0.06, 0.1)
SEED = 0

# Several layers fall on one image, as in Rain100H.
RAINS = {
    "medium": [Rain((-25, 25), (15, 30), 1.8, 0.003, (0.2, 0.5))],
    "hazy": [Rain((-10, 10), (8, 16), 1.4, 0.004, (0.2, 0.5))],
    "dense": [
        Rain((-30, -10), (20, 40), 2.0, 0.003, (0.2, 0.5)),
        Rain((10, 30), (20, 40), 2.0, 0.003, (0.2, 0.5)),
        Rain((-5, 5), (30, 50), 2.5, 0.0015, (0.2, 0.5)),
    ],
    "broad": [Rain((-45, -15), (12, 24), 2.4, 0.003, (0.2, 0.5))],
    "fine": [Rain((0, 40), (10, 20), 1.2, 0.003, (0.2, 0.4))],
}
# Ranges, by dataset, of the transmission t and the airlight A of O = t·(B + R) + (1 − t)·A, drawn for each image.
VEILS = {"hazy": ((0.55, 0.85), (0.7, 0.95))}


def main() -> None:
    """Write all datasets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    data, out = arguments.data, arguments.out

    heavy = {n: data / f"Rain100H_test/norain/norain-{n}.png" for n in range(1, 101)}
    split_of = split_by_background(heavy)
    for n, split in split_of.items():
        link(heavy[n], out / f"heavy/{split}/norain/{n}.png")
        link(data / f"Rain100H_test/rain/norain-{n}.png", out / f"heavy/{split}/rain/{n}.png")
        for side in ("rain", "norain"):
            link(data / f"Rain100L_test/{side}/{n}.png", out / f"light/{split}/{side}/{n}.png")

    photographs = sorted((data / "BSDS500_test").glob("*.jpg"))
    for half, names in enumerate((["medium", "hazy"], ["dense", "broad", "fine"])):
        mine = dict(enumerate(photographs[half::2]))
        for n, split in split_by_background(mine).items():
            for name in names:
                seed = (SEED, half, names.index(name), n)
                render(mine[n], out / name / split, RAINS[name], seed, VEILS.get(name))

    for path in sorted((data / "RealRain147/rain").iterdir())[::15]:
        link(path, out / f"real/rain/{path.name}")


def split_by_background(photographs: dict[int, Path]) -> dict[int, str]:
    """Split of each photograph, drawn by seed; copies of one picture share theirs."""
    group = groups_of_copies(photographs)
    groups = sorted(set(group.values()))
    np.random.default_rng(SEED).shuffle(groups)
    ends = np.cumsum(SHARES) * len(groups)
    split = {g: SPLITS[int(np.searchsorted(ends, k, side="right"))] for k, g in enumerate(groups)}
    return {n: split[group[n]] for n in photographs}


def groups_of_copies(photographs: dict[int, Path]) -> dict[int, int]:
    """The lowest number of a copy of each photograph."""
    numbers = list(photographs)
    views = [View(str(n), {CLEAN: inspect(photographs[n], [WHOLE]).pictures[WHOLE]}) for n in numbers]
    group = {n: n for n in numbers}
    for n, view in zip(numbers, views, strict=True):
        for leak in find_leaks(views, [view]):
            group[numbers[leak.number]] = min(group[n], group[numbers[leak.number]])
    return group


def render(
    photograph: Path,
    folder: Path,
    rains: list[Rain],
    seed: tuple[int, ...],
    veil: tuple[tuple[float, float], tuple[float, float]] | None = None,
) -> None:
    """Write the photograph as PNG, clean and rainy. veil: ranges of t and A, as in VEILS."""
    clean = np.asarray(Image.open(photograph).convert("RGB"))
    rainy = clean
    for layer, rain in enumerate(rains):
        rainy = add_rain(rainy, rain, (*seed, layer))
    if veil:
        rng = np.random.default_rng((*seed, len(rains)))
        t, airlight = (rng.uniform(*bounds) for bounds in veil)
        rainy = np.rint(t * rainy + (1 - t) * 255 * airlight).astype(np.uint8)
    for side, image in (("rain", rainy), ("norain", clean)):
        path = folder / side / f"{photograph.stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def link(file: Path, place: Path) -> None:
    """Put a link to the file at a place."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(file.resolve())


if __name__ == "__main__":
    main()
