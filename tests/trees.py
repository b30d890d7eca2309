"""Small trees of images, experiments on them, and what is found in them."""

import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from derain.config import experiment as config
from derain.data.findings import ERROR
from PIL import Image
from scipy.ndimage import zoom

any_letter = pytest.mark.skipif(
    sys.getfilesystemencoding() != "utf-8", reason="this locale's file names lack letters: see test_data_damaged.py"
)
BAD = "train/rain/3.png"  # of the fixture `tree`, the file that a test damages


def photograph(number, height=40, width=56):
    """A smooth random picture, the same for the same number, (H, W, 3) uint8."""
    coarse = np.random.default_rng(number).uniform(0, 255, (9, 9, 3))
    return np.clip(zoom(coarse, (height / 9, width / 9, 1), order=1), 0, 255).astype(np.uint8)


def rainy(number, rain=0, height=40, width=56):
    """photograph(number) under streaks."""
    streaks = np.random.default_rng((number, rain)).random((height, width, 1)) < 0.05
    return np.clip(photograph(number, height, width) + 90 * streaks, 0, 255).astype(np.uint8)


def write(path, pixels, **options):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def write_pairs(root, numbers, rainy_name="rain/{}.png", clean_name="norain/{}.png", rain=0):
    for number in numbers:
        write(root / rainy_name.format(number), rainy(number, rain))
        write(root / clean_name.format(number), photograph(number))


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows=None):
    """The bytes of a PNG of any kind, whatever its rows hold; without rows only its header. depth: bits a channel."""
    header = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return header if rows is None else header + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def experiment(datasets, trained, **extra):
    """Of dataset sections by name; those not `trained` are only scored."""
    others = [name for name in datasets if name not in trained]
    return config.read_experiment(
        {
            "orders": [list(trained)],
            "datasets": datasets,
            "networks": {"small": {"backbone": "prenet", "stages": 1, "channels": 4, "blocks": 1}},
            "methods": {"finetune": {}},
            "training": {"patch": 16, "steps": 1, "batch": 2},
            "evaluation": {"datasets": others},
        }
        | extra
    )


def counts(samples):
    return {split: sum(s.split == split for s in samples) for split in ("train", "validation", "test")}


def refused(found, file, *words):
    """One line names the file, nothing else is refused, and no manifest is left to be packed."""
    (line,) = found.errors
    assert line.startswith("datasets.d: ") and file in line and all(word in line for word in words), line
    assert found.manifest == {}
    assert [finding.file for finding in found.findings["d"] if finding.severity == ERROR] == [file]


def handled(found, *words):
    """Nothing is refused, and one notice tells what was done."""
    assert found.errors == []
    (notice,) = found.findings["d"]
    assert all(word in str(notice) for word in words), str(notice)
    assert len(found.manifest["d"]) == 8
