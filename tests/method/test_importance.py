import pytest
import torch
from derain.method import accumulation as omega
from derain.method.importance import objective
from derain.method.losses import LOSSES
from derain.networks import build
from derain.training.importance import importance_sum
from literal import literal_prenet, random_table
from precision import SHARP, assert_stored, of_differences, of_roundings
from torch import nn
from torch.func import functional_call, grad, vmap

pytestmark = pytest.mark.numerical


def _singles(rainy, clean):
    """Every sample as a batch of its own, as the expectation over samples takes them."""
    return list(zip(rainy.split(1), clean.split(1), strict=True))


def _mean(sums, samples):
    return {name: total / samples for name, total in sums.items()}


def _distance(a, b):
    """Relative L1 of two tensors."""
    return float((a.double() - b.double()).abs().sum() / b.double().abs().sum())


def _by_vmap(network, rainy, clean, loss):
    """E|∂L/∂θ| by transforming a function of one sample, without autograd.grad and without a loop."""

    def of_one(theta, x, y):
        return loss(functional_call(network, theta, (x[None],)), y[None])[0]

    theta = {name: weight.detach() for name, weight in network.named_parameters()}
    return {name: g.abs().mean(0) for name, g in vmap(grad(of_one), in_dims=(None, 0, 0))(theta, rainy, clean).items()}


@pytest.mark.parametrize("loss", LOSSES)
def test_importance_in_float64_is_the_mean_absolute_per_sample_gradient(loss, tiny, images):
    rainy, clean = images(5)
    sums, samples = importance_sum(tiny.double(), _singles(rainy, clean), LOSSES[loss])
    assert samples == 5
    expected = _by_vmap(tiny, rainy, clean, LOSSES[loss])
    assert sums.keys() == expected.keys()
    for name, found in _mean(sums, samples).items():
        assert expected[name].sum() > 0
        assert _distance(found, expected[name]) < SHARP


@pytest.mark.parametrize("power", ["absolute", "squared"])
@pytest.mark.parametrize("together", [2, 3, 9])
def test_gradients_that_are_computed_together_add_up_to_those_of_single_samples(together, power, tiny, images):
    """9: more than there are; 2 leaves a last one alone."""
    singles = _singles(*images(5))
    expected, _ = importance_sum(tiny.double(), singles, LOSSES["negative_ssim"], power)
    found, samples = importance_sum(tiny, iter(singles), LOSSES["negative_ssim"], power, together=together)
    assert samples == 5
    for name, total in expected.items():
        assert _distance(found[name], total) < SHARP


def test_the_gradients_of_a_batch_stay_those_of_its_mean_where_batches_are_computed_together(tiny, images):
    rainy, clean = images(6)
    pairs = list(zip(rainy.split(2), clean.split(2), strict=True))
    expected, _ = importance_sum(tiny.double(), pairs, LOSSES["mse"])
    found, batches = importance_sum(tiny, pairs, LOSSES["mse"], together=3)
    assert batches == 3
    assert all(torch.equal(found[name], total) for name, total in expected.items())


class Branching(nn.Module):
    """A network whose forward pass reads a number, which cannot be mapped over samples."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, rainy):
        return rainy - self.conv(rainy).relu() if float(rainy.mean()) > 0 else rainy * self.conv.bias.sum()


def test_a_network_that_cannot_be_mapped_gets_its_gradients_one_by_one(images):
    network, singles = Branching().double(), _singles(*images(5))
    expected, _ = importance_sum(network, singles, LOSSES["l1"])
    found, samples = importance_sum(network, singles, LOSSES["l1"], together=4)
    assert samples == 5
    assert all(torch.equal(found[name], total) for name, total in expected.items())
    assert all(total.any() for total in found.values())


def test_importance_agrees_with_finite_differences_of_the_loss_of_single_samples(tiny, images):
    rainy, clean = images(3, side=8)
    tiny, step = tiny.double(), 1e-6
    sums, samples = importance_sum(tiny, _singles(rainy, clean), LOSSES["mse"])

    def losses():
        with torch.no_grad():
            return torch.stack([LOSSES["mse"](tiny(x[None]), y[None])[0] for x, y in zip(rainy, clean, strict=True)])

    for name, weight in tiny.named_parameters():
        flat = weight.data.view(-1)
        for index in {0, len(flat) // 2, len(flat) - 1}:
            before = float(flat[index])
            flat[index] = before + step
            up = losses()
            flat[index] = before - step
            down = losses()
            flat[index] = before
            expected = float(((up - down) / (2 * step)).abs().mean())
            rounding = of_differences(float(up.max()), step)
            assert float(sums[name].view(-1)[index]) / samples == pytest.approx(expected, rel=1e-4, abs=rounding)


def _roundings(network, side):
    """How many roundings follow each other at most on the way to a gradient: the terms of all sums of products, there
    and back, the sum over a weight's places, and SSIM's two windows of 11, there and back."""
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    products = sum(module.weight[0].numel() + 1 for module in convolutions)
    return 2 * network.stages * products + side**2 + 4 * 11


def _magnified(rainy, clean):
    """How SSIM magnifies a rounding of a mean square: it divides by a variance, which is a difference of such means."""
    variance = sum(torch.nn.functional.unfold(image, 11).var(1, correction=0).mean() for image in (rainy, clean))
    return float((rainy.square().mean() + clean.square().mean()) / (variance + 9e-4))


def test_importance_in_float32_is_that_of_float64_up_to_rounding_in_relative_l1_of_every_tensor(tiny, images):
    """The one test that ties float32, in which stages are trained, to float64, in which formulas are tested."""
    rainy, clean = images(6)
    exact = _by_vmap(tiny.double(), rainy, clean, LOSSES["negative_ssim"])
    sums, samples = importance_sum(tiny.float(), _singles(rainy.float(), clean.float()), LOSSES["negative_ssim"])
    bound = of_roundings(_roundings(tiny, rainy.shape[-1])) * _magnified(rainy, clean)
    assert bound < 0.01
    for name, found in _mean(sums, samples).items():
        assert _distance(found, exact[name]) < bound


def test_importance_exceeds_the_absolute_gradient_of_the_batch_mean(tiny, images):
    rainy, clean = images(8)
    rainy[4:], clean[4:] = clean[4:].clone(), rainy[4:].clone()  # too dark as often as too bright
    tiny = tiny.double()
    sums, samples = importance_sum(tiny, _singles(rainy, clean), LOSSES["l1"])
    batch = torch.autograd.grad(LOSSES["l1"](tiny(rainy), clean).mean(), list(tiny.parameters()))
    found = torch.cat([total.flatten() / samples for total in sums.values()])
    cancelled = torch.cat([g.abs().flatten() for g in batch])
    assert (found >= cancelled - SHARP * found.max()).all()  # |E g| ≤ E|g|
    assert float(cancelled.sum() / found.sum()) < 0.9


def test_the_uses_of_a_recurrent_weight_are_summed_before_the_absolute_value(images):
    """∂L/∂θ of the shared weight is the sum over T untied copies; their absolute values add up to more."""
    stages, blocks = 3, 2
    network = build("prenet", stages=stages, channels=4, blocks=blocks)
    network.load_state_dict(random_table(stages, 4, blocks, lstm=True, shared_block=False))
    network = network.double()
    rainy, clean = images(3)
    untied = [
        {name: weight.detach().clone().requires_grad_() for name, weight in network.named_parameters()}
        for _ in range(stages)
    ]
    summed_first = {name: torch.zeros_like(weight) for name, weight in untied[0].items()}
    absolute_first = {name: torch.zeros_like(weight) for name, weight in untied[0].items()}
    for x, y in zip(rainy.split(1), clean.split(1), strict=True):
        loss = LOSSES["mse"](literal_prenet(x, untied, blocks), y)[0]
        for name in summed_first:
            uses = torch.autograd.grad(loss, [table[name] for table in untied], retain_graph=True)
            summed_first[name] += torch.stack(uses).sum(0).abs()
            absolute_first[name] += torch.stack(uses).abs().sum(0)

    sums, _ = importance_sum(network, _singles(rainy, clean), LOSSES["mse"])
    for name, found in sums.items():
        assert _distance(found, summed_first[name]) < SHARP
    total = {
        kind: sum(float(v.sum()) for v in table.values())
        for kind, table in (("s", summed_first), ("a", absolute_first))
    }
    assert total["a"] > 1.01 * total["s"]


def test_shards_of_unequal_size_merge_to_the_importance_of_all_samples(tiny, images):
    rainy, clean = images(7)
    batches = _singles(rainy, clean)
    tiny = tiny.double()
    whole, samples = importance_sum(tiny, batches, LOSSES["l1"])
    shards = []
    for shard in range(3):  # 3, 2 and 2 samples, dealt like the workflow deals them
        sums, count = importance_sum(tiny, batches[shard::3], LOSSES["l1"])
        shards.append(({name: total.numpy() for name, total in sums.items()}, count))
    assert [count for _, count in shards] == [3, 2, 2]
    for name, merged in omega.merge(shards).items():
        assert_stored(merged, whole[name] / samples)


def test_importance_leaves_theta_and_its_gradients_as_they_were(tiny, images):
    rainy, clean = images(2, dtype=torch.float32)
    before = {name: weight.clone() for name, weight in tiny.state_dict().items()}
    importance_sum(tiny, [(rainy, clean)], LOSSES["negative_ssim"])
    assert all(torch.equal(before[name], weight) for name, weight in tiny.state_dict().items())
    assert all(weight.grad is None for weight in tiny.parameters())


def test_the_order_of_the_samples_does_not_matter(tiny, images):
    singles = _singles(*images(4))
    tiny = tiny.double()
    forwards, _ = importance_sum(tiny, singles, LOSSES["charbonnier"])
    backwards, _ = importance_sum(tiny, singles[::-1], LOSSES["charbonnier"])
    assert all(_distance(forwards[name], backwards[name]) < SHARP for name in forwards)


# --- the modes of rivals


def _gradients(network, rainy, clean, loss):
    """∂loss/∂θ of every sample, (B, ...) by name, without autograd.grad and without a loop."""

    def of_one(theta, x, y):
        return loss(functional_call(network, theta, (x[None],)), y)

    theta = {name: weight.detach() for name, weight in network.named_parameters()}
    return vmap(grad(of_one), in_dims=(None, 0, 0))(theta, rainy, clean)


def _squared_error(output, target):
    return ((output - target) ** 2).mean()


def _power_of_output(output, target):
    """MAS (Aljundi et al., ECCV 2018): the squared norm of the output, here per value; no target."""
    return torch.linalg.vector_norm(output) ** 2 / output.numel()


@pytest.mark.parametrize(
    ("of", "power", "function", "transform"),
    [
        ("loss", "squared", _squared_error, lambda g: g**2),  # EWC's empirical Fisher information
        ("output", "absolute", _power_of_output, torch.abs),  # MAS
        ("output", "squared", _power_of_output, lambda g: g**2),
    ],
)
def test_importance_over_samples_is_the_mean_of_its_transcription(of, power, function, transform, tiny, images):
    rainy, clean = images(5)
    tiny = tiny.double()
    sums, count = importance_sum(tiny, _singles(rainy, clean), objective(of, "mse"), power)
    assert count == 5
    for name, gradients in _gradients(tiny, rainy, clean, function).items():
        assert _distance(sums[name] / count, transform(gradients).mean(0)) < SHARP


@pytest.mark.parametrize(("power", "transform"), [("absolute", torch.abs), ("squared", lambda g: g**2)])
def test_importance_over_batches_is_the_mean_of_the_transformed_gradient_of_batch_means(power, transform, tiny, images):
    """PIGWM's code takes |mean g|, Avalanche's EWC (mean g)², for each batch of a loader."""
    rainy, clean = images(6)
    tiny = tiny.double()
    batches = list(zip(rainy.split(2), clean.split(2), strict=True))
    sums, count = importance_sum(tiny, batches, objective("loss", "mse"), power)
    assert count == 3
    for name, gradients in _gradients(tiny, rainy, clean, _squared_error).items():
        means = torch.stack([of_batch.mean(0) for of_batch in gradients.split(2)])
        assert _distance(sums[name] / count, transform(means).mean(0)) < SHARP


@pytest.mark.parametrize("power", ["absolute", "squared"])
def test_importance_over_batches_is_smaller_and_its_modes_all_differ(power, tiny, images):
    rainy, clean = images(8)
    rainy[1::2], clean[1::2] = clean[1::2].clone(), rainy[1::2].clone()  # every batch has both signs
    tiny = tiny.double()

    def total(size, of="loss"):
        batches = zip(rainy.split(size), clean.split(size), strict=True)
        sums, count = importance_sum(tiny, batches, objective(of, "l1"), power)
        return torch.cat([part.flatten() / count for part in sums.values()])

    single, pairs, output = total(1), total(2), total(1, of="output")
    assert (pairs <= single + SHARP * single.max()).all()
    assert float(pairs.sum() / single.sum()) < 0.9
    assert _distance(output, single) > 0.1


def test_squared_importance_is_no_square_of_the_absolute_one(tiny, images):
    """E g² ≥ (E|g|)², and equal only where all samples agree."""
    rainy, clean = images(6)
    rainy[::2] *= 0.2
    singles = _singles(rainy, clean)
    absolute, squared = (
        importance_sum(tiny.double(), singles, objective("loss", "mse"), power)[0] for power in ("absolute", "squared")
    )
    for name in absolute:
        mean, mean_of_squares = absolute[name] / 6, squared[name] / 6
        assert (mean_of_squares >= mean**2 * (1 - SHARP)).all()
    ratio = sum(float(v.sum()) for v in squared.values()) / sum(float((v**2).sum()) for v in absolute.values())
    assert ratio * 6 > 1.02


def test_the_output_objective_needs_no_target_and_no_patch_size(images):
    rainy, clean = images(2)
    sensitivity = objective("output", "mse")
    assert torch.equal(sensitivity(rainy, clean), sensitivity(rainy, 1 - clean))
    tiled = torch.cat((rainy, rainy), dim=-1)
    torch.testing.assert_close(sensitivity(tiled, tiled), sensitivity(rainy, rainy), rtol=SHARP, atol=0)
    assert sensitivity(rainy, clean).shape == (2,)
