"""What tests of given networks share."""

import pytest
import torch
from derain.networks import build
from tiny import TINY


@pytest.fixture
def published(tmp_path):
    """θ of a tiny network, as its authors would publish it."""
    path = tmp_path / "published.pth"
    torch.manual_seed(1)
    torch.save(build(**TINY).state_dict(), path)
    return path
