"""A small network and photographs for it."""

import pytest
import torch
from derain.files import tensors
from derain.networks import build, weights
from PIL import Image
from restorations import pixels
from tiny import TINY


@pytest.fixture
def network():
    torch.manual_seed(1)
    return build(**TINY).eval()


@pytest.fixture
def theta(network, tmp_path):
    """The file of θ in a stage's folder."""
    (tmp_path / "stage").mkdir()
    file = tmp_path / "stage/theta.safetensors"
    tensors.write(file, weights.of_network(network), {"network": TINY})
    return file


@pytest.fixture
def photos(tmp_path):
    """A folder of photographs, one in a subfolder."""
    (tmp_path / "photos/more").mkdir(parents=True)
    for n, name in enumerate(("a.png", "more/b.png", "c.jpg")):
        Image.fromarray(pixels(20 + n, 30)).save(tmp_path / "photos" / name)
    return tmp_path / "photos"
