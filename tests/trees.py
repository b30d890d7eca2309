"""Small trees of images, and experiments on them."""

import sys
from pathlib import Path

import numpy as np
import pytest
from derain.config import experiment as config
from PIL import Image
from scipy.ndimage import zoom

any_letter = pytest.mark.skipif(
    sys.getfilesystemencoding() != "utf-8", reason="this locale's file names lack letters: see test_data_damaged.py"
)


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
