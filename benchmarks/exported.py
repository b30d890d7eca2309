"""An exported network through ONNX Runtime beside the network itself: python benchmarks/exported.py DATA [--images N]

DATA as for benchmarks/published.py. Exports the authors' PReNet for Rain100L (`derain export`), restores the first N
(10) test images of Rain100L with both, and prints the mean PSNR on Y of each and the largest difference of an image.
Ends with 1 above 0.01 dB.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import common  # noqa: F401  # finds the library
import numpy as np
import onnxruntime
from derain.evaluation.metrics import luma
from derain.evaluation.psnr import psnr
from derain.evaluation.rounding import ROUNDINGS
from derain.evaluation.tiles import TILE, restored
from derain.machine import instruction_set, processor
from derain.restoration.loading import load
from PIL import Image

BOUND = 0.01  # dB


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=10)
    asked = parser.parse_args()
    weights = asked.data / "published-weights/Rain100L-PReNet6.pth"
    network, rows = load(weights, "prenet"), []
    with tempfile.TemporaryDirectory() as folder:
        export = ["export", "-n", str(weights), "--backbone", "prenet", "-o", folder]
        subprocess.run([sys.executable, "-m", "derain", *export], check=True, stdout=subprocess.DEVNULL)
        session = onnxruntime.InferenceSession(Path(folder, "model.onnx"), providers=["CPUExecutionProvider"])
    for file in sorted((asked.data / "Rain100L_test/rain").iterdir())[: asked.images]:
        rainy, clean = (np.asarray(Image.open(file.parents[1] / side / file.name)) for side in ("rain", "norain"))
        (output,) = session.run(None, {"rainy": rainy.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)})
        through_onnx = ROUNDINGS["nearest"](output[0].transpose(1, 2, 0).clip(0, 1))
        rows.append([psnr(luma(image), luma(clean)) for image in (through_onnx, restored(network, rainy, TILE))])
    table = np.array(rows)
    difference = float(np.abs(table[:, 0] - table[:, 1]).max())
    print(f"{processor()}, {instruction_set()}, onnxruntime {onnxruntime.__version__}")
    onnx_db, own_db = table.mean(0)
    print(f"{len(rows)} images of Rain100L: {onnx_db:.4f} dB through ONNX Runtime, {own_db:.4f} dB by the network")
    print(f"largest difference of an image: {difference:.1e} dB")
    sys.exit(difference > BOUND)


if __name__ == "__main__":
    main()
