"""NAFNet and Restormer against their structure, against published sizes and against a literal transcription."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from derain.files import tensors
from derain.method.losses import LOSSES
from derain.networks import build, weights
from derain.networks.layers import ChannelNorm, padded
from derain.training.importance import importance_sum
from literal_unets import (
    literal_nafnet,
    literal_restormer,
    nafnet_shapes,
    normalised,
    random_weights,
    reflected,
    restormer_shapes,
)
from precision import SHARP, of_differences
from torch.nn.functional import interpolate

pytestmark = pytest.mark.numerical


@dataclass(frozen=True)
class Small:
    """A small network of a backbone, and its oracle."""

    options: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    literal: Any
    multiple: int  # of which sides are not padded
    at_once: tuple[str, ...]  # one weight of each kind


NAFNET: dict[str, Any] = {"width": 4, "encoder": [1, 2], "middle": 2, "decoder": [2, 1]}
RESTORMER: dict[str, Any] = {"width": 4, "blocks": [1, 1, 1, 2], "refinement": 2, "heads": [1, 2, 4, 4]}
SMALL = {
    "nafnet": Small(
        NAFNET,
        nafnet_shapes(**NAFNET),
        literal_nafnet,
        4,
        (
            *("intro.weight", "ending.bias", "downs.1.weight", "ups.0.0.weight", "encoders.1.1.conv1.bias"),
            *("middle_blks.0.conv2.weight", "decoders.0.0.conv3.weight", "decoders.1.0.sca.1.weight"),
            *("encoders.0.0.norm1.weight", "middle_blks.1.norm2.bias", "encoders.0.0.beta", "decoders.0.1.gamma"),
        ),
    ),
    "restormer": Small(
        RESTORMER,
        restormer_shapes(**RESTORMER),
        literal_restormer,
        8,
        (
            *("patch_embed.proj.weight", "down2_3.body.0.weight", "up3_2.body.0.weight", "output.weight"),
            *("reduce_chan_level3.weight", "encoder_level2.0.attn.temperature", "latent.1.attn.qkv.weight"),
            *("encoder_level1.0.attn.qkv_dwconv.weight", "decoder_level2.0.attn.project_out.weight"),
            *("decoder_level1.0.ffn.project_in.weight", "refinement.1.ffn.dwconv.weight"),
            *("latent.0.ffn.project_out.weight", "encoder_level3.0.norm1.body.weight", "latent.0.norm2.body.bias"),
        ),
    ),
}
# Backbone, its options, published millions of parameters, the last digit of these, and the number of the authors' code,
# built at the commits that the modules name. NAFNet's repository names 29.16 (issue 60) and 115.9 (issue 51); the other
# millions are those that later papers print.
PUBLISHED = [
    ("nafnet", {"width": 32, "encoder": [1, 1, 1, 28], "middle": 1, "decoder": [1] * 4}, 17.1, 0.1, 17_111_907),
    ("nafnet", {"width": 64, "encoder": [1, 1, 1, 28], "middle": 1, "decoder": [1] * 4}, 67.89, 0.01, 67_888_835),
    ("nafnet", {"width": 32, "encoder": [2, 2, 4, 8], "middle": 12, "decoder": [2] * 4}, 29.16, 0.01, 29_159_715),
    ("nafnet", {"width": 64, "encoder": [2, 2, 4, 8], "middle": 12, "decoder": [2] * 4}, 115.9, 0.1, 115_982_915),
    (
        "restormer",
        {"width": 48, "blocks": [4, 6, 6, 8], "refinement": 4, "heads": [1, 2, 4, 8]},
        26.13,
        0.01,
        26_126_644,
    ),
]
SHAPES = {"nafnet": nafnet_shapes, "restormer": restormer_shapes}


@pytest.fixture(params=SMALL)
def backbone(request):
    return request.param


@pytest.fixture
def small(backbone):
    return SMALL[backbone]


@pytest.fixture
def table(small):
    return random_weights(small.shapes)


@pytest.fixture
def network(backbone, small, table):
    """With random weights in float64: none is 0, as some are at the start of a training."""
    network = build(backbone, **small.options).double()
    network.load_state_dict(table)
    return network


def _images(*shape):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(("backbone", "options", "millions", "digit", "parameters"), PUBLISHED)
def test_names_shapes_and_number_of_parameters_are_the_published_ones(backbone, options, millions, digit, parameters):
    with torch.device("meta"):
        network = build(backbone, **options)
    found = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    assert found == SHAPES[backbone](**options)
    assert sum(weight.numel() for weight in network.parameters()) == parameters
    assert abs(parameters / 1e6 - millions) < digit


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_published_and_own_files_load_strictly_and_keep_every_shape(suffix, backbone, small, tmp_path):
    network = build(backbone, **small.options)
    state = {name: weight.float() for name, weight in random_weights(small.shapes).items()}
    if suffix == ".pth":
        torch.save({"params": state}, tmp_path / "theta.pth")
    else:
        tensors.write(tmp_path / "theta.safetensors", {n: w.numpy() for n, w in state.items()}, {})
    weights.load_into(network, tmp_path / f"theta{suffix}")
    tensors.write(tmp_path / "again.safetensors", weights.of_network(network), {})
    again, _ = tensors.read(tmp_path / "again.safetensors")
    assert again.keys() == state.keys()
    for name, weight in state.items():
        assert again[name].shape == tuple(weight.shape)
        np.testing.assert_array_equal(again[name], weight.numpy())


@pytest.mark.parametrize("sides", [(16, 16), (8, 24), (17, 23), (9, 16), (5, 3), (2, 30), (1, 1)])
def test_output_equals_that_of_the_literal_network(sides, network, small, table):
    rainy = _images(2, 3, *sides)
    before = rainy.clone()
    output, literal = network(rainy), small.literal(rainy, table)
    assert output.shape == rainy.shape
    torch.testing.assert_close(output, literal, rtol=0, atol=SHARP * float(literal.abs().max()))
    assert (output - rainy).abs().mean() > 0.01  # not the identity, which any two networks would share
    assert torch.equal(rainy, before)


def test_gradients_of_every_weight_equal_those_of_the_literal_network(network, small, table):
    table = {name: weight.requires_grad_() for name, weight in table.items()}
    rainy, direction = _images(2, 3, 13, 10), torch.randn(2, 3, 13, 10, dtype=torch.float64)
    names, theta = zip(*network.named_parameters(), strict=True)
    found = torch.autograd.grad((network(rainy) * direction).sum(), theta)
    expected = torch.autograd.grad((small.literal(rainy, table) * direction).sum(), [table[name] for name in names])
    for name, a, b in zip(names, found, expected, strict=True):
        assert b.abs().sum() > 0, name
        assert (a - b).norm() < SHARP * b.norm(), name


def test_gradients_are_those_of_finite_differences(network, small):
    rainy, clean = _images(1, 3, 9, 8), torch.rand(1, 3, 9, 8, dtype=torch.float64)

    def loss():
        return (network(rainy) - clean).square().sum()

    parameters = dict(network.named_parameters())
    gradients = dict(zip(parameters, torch.autograd.grad(loss(), list(parameters.values())), strict=True))
    step = 1e-4

    def difference(weight, place, step):
        start, values = weight[place].item(), []
        for moved in (start + step, start - step, start):
            weight[place] = moved
            values.append(loss().item())
        return (values[0] - values[1]) / (2 * step)

    for name in small.at_once:
        place = int(gradients[name].abs().argmax())
        exact = gradients[name].flatten()[place].item()
        with torch.no_grad():
            weight = parameters[name].view(-1)
            coarse, fine = difference(weight, place, 2 * step), difference(weight, place, step)
        # The error of the fine difference is a third of the difference of both, up to the next power of the step.
        bound = abs(coarse - fine) + 2 * of_differences(loss().item(), step)
        assert abs(fine - exact) < bound, name
        assert bound < 0.01 * abs(exact), name


def test_samples_of_a_batch_do_not_see_each_other_and_leave_no_state(network):
    batch = _images(3, 3, 13, 18)
    singles = torch.cat([network(sample[None]) for sample in batch])
    torch.testing.assert_close(network(batch), singles, rtol=0, atol=SHARP * float(singles.detach().abs().max()))
    assert torch.equal(network(batch), network(batch))
    assert not list(network.buffers())
    network.eval()
    evaluated = network(batch)
    network.train()
    assert torch.equal(network(batch), evaluated)


def test_memory_format_changes_only_the_order_of_additions(network):
    rainy = _images(2, 3, 13, 18)
    expected = network(rainy)
    found = network.to(memory_format=torch.channels_last)(rainy.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=0, atol=SHARP * float(expected.detach().abs().max()))


def test_autocast_to_bfloat16_changes_no_more_than_its_rounding_and_gradients_stay_float32(network):
    network, rainy = network.float(), _images(2, 3, 16, 16).float()
    exact = network(rainy)
    with torch.autocast("cpu", torch.bfloat16):
        output = network(rainy)
    # 2⁻⁸ in each of about 50 layers, of random signs; a wrong cast of an intermediate overflows or loses everything.
    assert (output.float() - exact).norm() < 50**0.5 * 2**-8 * exact.norm()
    output.float().square().mean().backward()
    for name, weight in network.named_parameters():
        assert weight.grad.dtype == torch.float32, name
        assert weight.grad.isfinite().all(), name


def test_a_new_network_is_a_function_of_the_seed_and_all_its_weights_are_in_the_graph(backbone):
    """With its default options, which a CPU trains in a moment."""
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        network = build(backbone)
        states.append(network.state_dict())
    same, other = (all(torch.equal(states[0][k], s[k]) for k in s) for s in states[1:])
    assert same
    assert not other
    rainy = torch.rand(1, 3, 32, 32)
    theta = list(network.parameters())
    gradients = torch.autograd.grad(network(rainy).sum(), theta)  # raises for a weight that is not
    assert [g.stride() for g in gradients] == [weight.stride() for weight in theta]  # as DDP expects


def test_after_one_step_every_weight_of_a_new_network_has_a_gradient(backbone, small):
    """At the start some are 0, namely those behind NAFNet's β = γ = 0."""
    network, rainy = build(backbone, **small.options).double(), _images(2, 3, 16, 16)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)

    def zero():
        optimizer.zero_grad()
        (network(rainy) - 0.5 * rainy).square().sum().backward()
        return {name for name, weight in network.named_parameters() if not weight.grad.any()}

    behind = {name for name in small.shapes if any(f".{part}" in name for part in ("conv", "sca", "norm"))}
    assert zero() == (behind if backbone == "nafnet" else set())
    optimizer.step()
    assert zero() == set()


@pytest.mark.parametrize("together", [1, 3])
def test_the_importance_is_the_mean_magnitude_of_the_gradients_of_single_samples(
    together, network, small, table, images
):
    rainy, clean = images(3, side=16)
    singles = ((rainy[n : n + 1], clean[n : n + 1]) for n in range(3))
    passes = []
    network.register_forward_hook(lambda *_: passes.append(1))
    sums, count = importance_sum(network, singles, LOSSES["mse"], together=together)
    assert len(passes) == 3 / together
    table = {name: weight.requires_grad_() for name, weight in table.items()}
    assert count == 3
    expected = {name: torch.zeros_like(weight) for name, weight in table.items()}
    for n in range(3):
        loss = (small.literal(rainy[n : n + 1], table) - clean[n : n + 1]).square().mean()
        for name, g in zip(table, torch.autograd.grad(loss, list(table.values())), strict=True):
            expected[name] += g.abs()
    assert sums.keys() == expected.keys()
    for name, exact in expected.items():
        assert exact.sum() > 0
        assert (sums[name] - exact).abs().sum() < SHARP * exact.sum(), name


# --- the layers


@pytest.mark.parametrize("multiple", [1, 2, 8, 16])
@pytest.mark.parametrize("sides", [(16, 16), (15, 9), (4, 3), (2, 1), (1, 40)])
def test_padding_is_numpys_reflection_for_every_size(sides, multiple):
    images = _images(2, 3, *sides)
    assert torch.equal(padded(images, multiple), reflected(images, multiple))


def test_padding_of_a_smooth_image_is_smooth():
    ramp = interpolate(torch.arange(2.0)[None, None], 9, mode="linear", align_corners=True)[..., None]
    assert padded(ramp, 4).diff(dim=2).abs().max() == 1 / 8


def test_channel_norm_normalises_each_pixel_over_its_channels():
    x, norm = 5 + 3 * torch.randn(2, 6, 4, 5, dtype=torch.float64), ChannelNorm(6, eps=1e-3).double()
    torch.nn.init.normal_(norm.weight), torch.nn.init.normal_(norm.bias)
    torch.testing.assert_close(norm(x), normalised(x, norm.weight, norm.bias, 1e-3), rtol=0, atol=SHARP)
