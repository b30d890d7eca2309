"""Real rain photographs, restored: python benchmarks/study/photographs.py PHOTOGRAPHS OUT.jpg THETA [THETA …]

PHOTOGRAPHS: a folder of images; THETA: θ of stages of a run, each a row below the rainy ones, named by its stage. Small
previews of every photograph stand side by side.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import print_in_any_locale
from derain.evaluation.previews import crop
from derain.evaluation.tiles import TILE, restored
from derain.files import tensors
from derain.training.network import network_on

SIDE, GAP, TEXT, ACROSS = 200, 4, 18, 5


def preview(image: np.ndarray) -> Image.Image:
    """The middle square, without change of scale where it is large enough."""
    square = crop(image, min(*image.shape[:2], 2 * SIDE))
    return Image.fromarray(square).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def main() -> None:
    """Restore and lay out."""
    print_in_any_locale()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("theta", type=Path, nargs="+")
    asked = parser.parse_args()

    files = sorted(asked.photographs.iterdir(), key=lambda path: path.name)
    rainy = [np.asarray(Image.open(path).convert("RGB")) for path in files]
    rows = [("rainy", rainy)]
    for theta in asked.theta:
        spec = tensors.read(theta)[1]
        network = network_on("cpu", spec["network"], spec["training"]["threads"], str(theta))
        at = theta.parent.parts
        name = " > ".join(at[next(n for n, part in enumerate(at) if part.startswith("seed")) + 1 :])
        rows.append((name, [restored(network, image, TILE) for image in rainy]))

    blocks = [slice(start, start + ACROSS) for start in range(0, len(files), ACROSS)]
    strips = [(name, images[block]) for block in blocks for name, images in rows]
    canvas = Image.new("RGB", (ACROSS * (SIDE + GAP) - GAP, len(strips) * (SIDE + TEXT)), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    for n, (name, images) in enumerate(strips):
        top = n * (SIDE + TEXT)
        draw.text((2, top), name, "black", font)
        for k, image in enumerate(images):
            canvas.paste(preview(image), (k * (SIDE + GAP), top + TEXT))
    canvas.save(asked.out, quality=85)


if __name__ == "__main__":
    main()
