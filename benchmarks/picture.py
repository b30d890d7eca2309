"""The picture of the README: python benchmarks/picture.py RESULTS OUT.jpg

One test image of the first dataset of each order, with the network after the whole order: rainy, fine-tuned, NR, clean.
RESULTS: the results folder of the embedded default experiment.
"""

import argparse
from pathlib import Path

import numpy as np
from common import REPOSITORY
from PIL import Image, ImageDraw, ImageFont

GAP, TEXT = 6, 22


def main() -> None:
    """Lay out the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()

    from derain.config.reading import load_file
    from derain.data.store import PackedPairs
    from derain.evaluation.metrics import luma
    from derain.evaluation.previews import crop
    from derain.evaluation.psnr import psnr

    config = load_file(REPOSITORY / "config.yaml")
    network = next(iter(config["networks"]))
    strips = []
    for order in config["orders"]:
        store = arguments.results / "datasets" / order[0]
        pairs = PackedPairs([(store / "test/pairs.csv", store / "test/pixels.bin", None)], "test")
        previews = arguments.results / "stages" / network / "seed0/first" / order[0] / "previews/all.npz"
        number = min(int(key.split("/")[1]) for key in np.load(previews) if key.startswith(f"{order[0]}/"))
        rainy, clean = (crop(image) for image in pairs[number] if image is not None)
        shown = [("rainy", rainy)]
        for method in ("finetune", "nr"):
            stage = arguments.results / "stages" / network / "seed0" / method / "/".join(order)
            shown.append((method, np.load(stage / "previews/all.npz")[f"{order[0]}/{number}"]))
        captions = [f"{name}, {psnr(luma(image), luma(clean)):.1f} dB" for name, image in shown]
        strips.append((" > ".join(order), [image for _, image in shown] + [clean], [*captions, "clean"]))

    side = strips[0][1][0].shape[0]
    canvas = Image.new("RGB", (4 * (side + GAP) - GAP, len(strips) * (side + 2 * TEXT)), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    for n, (order, images, captions) in enumerate(strips):
        top = n * (side + 2 * TEXT)
        draw.text((2, top + 3), f"the first dataset of {order}, after the last", "black", font)
        for k, (image, caption) in enumerate(zip(images, captions, strict=True)):
            canvas.paste(Image.fromarray(image), (k * (side + GAP), top + TEXT))
            draw.text((k * (side + GAP) + 2, top + TEXT + side + 2), caption, "black", font)
    canvas.save(arguments.out, quality=90)


if __name__ == "__main__":
    main()
