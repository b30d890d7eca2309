import pytest
import torch
from derain import omega
from derain.importance import importance_sum
from derain.losses import LOSSES
from derain.networks import build
from literal import literal_prenet, random_table
from torch.func import functional_call, grad, vmap


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
    sums, samples = importance_sum(tiny.double(), [(rainy[:3], clean[:3]), (rainy[3:], clean[3:])], LOSSES[loss])
    assert samples == 5
    expected = _by_vmap(tiny, rainy, clean, LOSSES[loss])
    assert sums.keys() == expected.keys()
    for name, found in _mean(sums, samples).items():
        assert expected[name].sum() > 0
        assert _distance(found, expected[name]) < 1e-9


def test_importance_agrees_with_finite_differences_of_the_loss_of_single_samples(tiny, images):
    rainy, clean = images(3, side=8)
    tiny, step = tiny.double(), 1e-6
    sums, samples = importance_sum(tiny, [(rainy, clean)], LOSSES["mse"])

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
            assert float(sums[name].view(-1)[index]) / samples == pytest.approx(expected, rel=1e-4, abs=1e-10)


def test_importance_in_float32_is_within_1e_4_of_float64_in_relative_l1_of_every_tensor(tiny, images):
    rainy, clean = images(6)
    exact = _by_vmap(tiny.double(), rainy, clean, LOSSES["negative_ssim"])
    sums, samples = importance_sum(tiny.float(), [(rainy.float(), clean.float())], LOSSES["negative_ssim"])
    for name, found in _mean(sums, samples).items():
        assert 0 < _distance(found, exact[name]) < 1e-4


def test_importance_exceeds_the_absolute_gradient_of_the_batch_mean(tiny, images):
    rainy, clean = images(8)
    rainy[4:], clean[4:] = clean[4:].clone(), rainy[4:].clone()  # too dark as often as too bright
    tiny = tiny.double()
    sums, samples = importance_sum(tiny, [(rainy, clean)], LOSSES["l1"])
    batch = torch.autograd.grad(LOSSES["l1"](tiny(rainy), clean).mean(), list(tiny.parameters()))
    found = torch.cat([total.flatten() / samples for total in sums.values()])
    cancelled = torch.cat([g.abs().flatten() for g in batch])
    assert (found >= cancelled - 1e-15).all()  # |E g| ≤ E|g|
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

    sums, _ = importance_sum(network, [(rainy, clean)], LOSSES["mse"])
    for name, found in sums.items():
        assert _distance(found, summed_first[name]) < 1e-9
    total = {
        kind: sum(float(v.sum()) for v in table.values())
        for kind, table in (("s", summed_first), ("a", absolute_first))
    }
    assert total["a"] > 1.01 * total["s"]


def test_shards_of_unequal_size_merge_to_the_importance_of_all_samples(tiny, images):
    rainy, clean = images(7)
    batches = [(rainy[n : n + 1], clean[n : n + 1]) for n in range(7)]
    tiny = tiny.double()
    whole, samples = importance_sum(tiny, batches, LOSSES["l1"])
    shards = []
    for shard in range(3):  # 3, 2 and 2 samples, dealt like the workflow deals them
        sums, count = importance_sum(tiny, batches[shard::3], LOSSES["l1"])
        shards.append(({name: total.numpy() for name, total in sums.items()}, count))
    assert [count for _, count in shards] == [3, 2, 2]
    for name, merged in omega.merge(shards).items():
        assert _distance(torch.from_numpy(merged), whole[name] / samples) < 1e-7  # stored in float32


def test_importance_leaves_theta_and_its_gradients_as_they_were(tiny, images):
    rainy, clean = images(2, dtype=torch.float32)
    before = {name: weight.clone() for name, weight in tiny.state_dict().items()}
    importance_sum(tiny, [(rainy, clean)], LOSSES["negative_ssim"])
    assert all(torch.equal(before[name], weight) for name, weight in tiny.state_dict().items())
    assert all(weight.grad is None for weight in tiny.parameters())


def test_the_size_of_the_batches_that_bring_the_samples_does_not_matter(tiny, images):
    rainy, clean = images(4)
    tiny = tiny.double()
    together, _ = importance_sum(tiny, [(rainy, clean)], LOSSES["charbonnier"])
    one_by_one, _ = importance_sum(tiny, zip(rainy.split(1), clean.split(1), strict=True), LOSSES["charbonnier"])
    assert all(torch.equal(together[name], one_by_one[name]) for name in together)
