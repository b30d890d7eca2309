"""What a rain layer R = O − B still carries of its scene: python benchmarks/study/scene.py RAIN CLEAN [--images N]

RAIN and CLEAN hold images of equal names. By NR's Eq. 1 a layer is rain alone; where O was clipped at white, R shrinks
to what was left above B, and where O was compressed again, R holds the differences of two codings of the scene. Prints,
as means over patches of 32 pixels in grey (the mean of the colours):

- the share of pixels at which O is clipped;
- the correlation of R with B: over all pixels, and over those at which O is not clipped;
- the correlation of |∇R| with |∇B|, which edges of the scene would raise; and the same with B of another image, which
  is what chance gives.
"""

import argparse
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import print_in_any_locale

PATCH = 32

Grey = NDArray[np.float64]


def correlation(one: Grey, other: Grey) -> float:
    """Pearson's, NaN where one of the two is constant."""
    one, other = one - one.mean(), other - other.mean()
    spread = float(np.sqrt(np.square(one).sum() * np.square(other).sum()))
    return float((one * other).sum()) / spread if spread else float("nan")


def steepness(grey: Grey) -> Grey:
    """|∇| of each pixel."""
    return np.hypot(*np.gradient(grey, axis=(-2, -1)))


def patches(grey: Grey) -> Grey:
    """(N, PATCH, PATCH), side by side, from the upper left corner."""
    rows, columns = (side // PATCH for side in grey.shape)
    cut = grey[: rows * PATCH, : columns * PATCH].reshape(rows, PATCH, columns, PATCH)
    return cut.swapaxes(1, 2).reshape(-1, PATCH, PATCH)


def read(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3)."""
    return np.asarray(Image.open(path).convert("RGB"))


def main() -> None:
    """Read, measure, print."""
    print_in_any_locale()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rain", type=Path)
    parser.add_argument("clean", type=Path)
    parser.add_argument("--images", type=int, help="at most, from the first by name")
    asked = parser.parse_args()

    images = []
    for path in sorted(asked.rain.iterdir())[: asked.images]:
        rainy, clean = read(path), read(asked.clean / path.name)
        grey = [patches(image.astype(float).mean(2)) for image in (rainy, clean)]
        images.append((grey[0] - grey[1], grey[1], patches((rainy == 255).any(2).astype(float)) > 0))

    over_all, unclipped, edges, chance = [], [], [], []
    for rains, backgrounds, clipped in images:
        for r, b, at_white in zip(rains, backgrounds, clipped, strict=True):
            over_all.append(correlation(r, b))
            if (~at_white).sum() > PATCH:
                unclipped.append(correlation(r[~at_white], b[~at_white]))
            edges.append(correlation(steepness(r), steepness(b)))
    for (rain, _, _), (_, other, _) in pairwise(images):
        chance += [correlation(steepness(r), steepness(b)) for r, b in zip(rain, other, strict=False)]
    print(f"{len(images)} images, {len(over_all)} patches")
    print(f"clipped pixels                {np.mean([clipped.mean() for _, _, clipped in images]):8.2%}")
    print(f"corr(R, B)                    {np.nanmean(over_all):+8.3f}")
    print(f"corr(R, B), not clipped       {np.nanmean(unclipped):+8.3f}")
    print(f"corr(|∇R|, |∇B|)              {np.nanmean(edges):+8.3f}")
    print(f"corr(|∇R|, |∇B|) of another B {np.nanmean(chance):+8.3f}")


if __name__ == "__main__":
    main()
