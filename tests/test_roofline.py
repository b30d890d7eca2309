"""The operations that benchmarks/roofline.py counts."""

import runpy
import sys

import pytest
import torch
from places import REPOSITORY
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.append(str(REPOSITORY / "benchmarks"))  # last: names of tests come first
roofline = runpy.run_path(str(REPOSITORY / "benchmarks/roofline.py"))


@pytest.mark.parametrize("make", [nn.Conv2d, nn.ConvTranspose2d])
@pytest.mark.parametrize("of_input", [False, True])
def test_a_convolution_in_groups_takes_as_many_operations_as_its_groups_one_by_one(make, of_input):
    """Torch's own count is right without groups."""
    image = torch.rand(2, 12, 9, 7, requires_grad=of_input)
    whole = make(12, 24, 3, groups=4)
    parts = [make(3, 6, 3) for _ in range(4)]
    with FlopCounterMode(display=False) as counter:
        torch.cat([part(each) for part, each in zip(parts, image.split(3, 1), strict=True)]).sum().backward()
    counted = roofline["flops"](lambda: whole(image).sum().backward())
    assert counted == counter.get_total_flops()
    assert counted % roofline["flops"](lambda: whole(image.detach())) == 0


@pytest.mark.parametrize("backbone", roofline["NETWORKS"])
def test_a_training_step_takes_about_three_times_a_forward_pass(backbone):
    """The loss is a few operations more, the gradient of the image, which nobody needs, fewer."""
    step = roofline["Step"](backbone, 1, 32, "cpu")
    assert roofline["flops"](step) == pytest.approx(3 * roofline["flops"](step.forward), rel=0.05)
