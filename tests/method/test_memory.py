import copy

import numpy as np
import pytest
import torch
from derain.config.methods import Memory
from derain.config.training import Training
from derain.method.losses import LOSSES
from derain.method.memory import GAIN, WithMemory, chosen, stored_form
from derain.training.loop import train
from precision import InFloat64, of_roundings

pytestmark = pytest.mark.numerical

SIDE, BATCH = 16, 4
SGD = {"optimizer": "sgd", "schedule": "constant"}


class New:
    """Batches of new pairs: clean is one grey level a step and place, rainy 20 levels more."""

    def __getitem__(self, step):
        clean = torch.full((BATCH, 3, SIDE, SIDE), 0.0)
        clean += (torch.arange(BATCH) * 10 + 40 + step)[:, None, None, None] / 255
        return clean + 20 / 255, clean


def _patches(count=6, seed=0):
    """(rainy, clean), (K, 3, P, P): 8-bit noise, rain may darken as well."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (2, count, 3, SIDE, SIDE)).astype(np.float32) / 255
    return torch.from_numpy(images[0]), torch.from_numpy(images[1])


def _symmetries(patch):
    """The eight flips and quarter turns of a (..., P, P) array."""
    turns = [np.rot90(patch, n, (-2, -1)) for n in range(4)]
    return [*turns, *(turned[..., ::-1] for turned in turns)]


def _one_of(found, candidates):
    return [n for n, candidate in enumerate(candidates) if np.array_equal(found, candidate)]


def test_rain_is_what_the_rainy_image_has_beside_the_clean_one_exactly():
    rainy, clean = _patches()
    layers = stored_form("rain", rainy, clean)
    assert layers.dtype == np.int16
    np.testing.assert_array_equal(layers, (rainy * 255).round().int() - (clean * 255).round().int())
    assert layers.min() < 0 < layers.max()


def test_pairs_are_kept_bit_for_bit():
    rainy, clean = _patches()
    pairs = stored_form("pairs", rainy, clean)
    assert pairs.dtype == np.uint8
    np.testing.assert_array_equal(pairs[:, 0] / np.float32(255), rainy)
    np.testing.assert_array_equal(pairs[:, 1] / np.float32(255), clean)


@pytest.mark.parametrize("keep", ["rain", "pairs"])
def test_both_kinds_take_the_bytes_that_the_tables_count(keep):
    assert stored_form(keep, *_patches(5)).nbytes == Memory(keep=keep, patches=5).bytes_of_dataset(SIDE)


@pytest.mark.parametrize("keep", ["rain", "pairs"])
def test_a_batch_is_a_pure_function_of_seed_and_step_and_leaves_the_batches_below_alone(keep):
    memory = {"a": stored_form(keep, *_patches())}
    batches = WithMemory(New(), memory, 0.5, (0, 4, 2))
    once, again = batches[3], WithMemory(New(), memory, 0.5, (0, 4, 2))[3]
    assert all(torch.equal(*sides) for sides in zip(once, again, strict=True))
    for other in (batches[4], WithMemory(New(), memory, 0.5, (1, 4, 2))[3]):
        assert not torch.equal(once[0][:2], other[0][:2])
    assert torch.equal(New()[3][1], New()[3][1])


@pytest.mark.parametrize("keep", ["rain", "pairs"])
@pytest.mark.parametrize(("share", "old"), [(0.25, 1), (0.5, 2), (0.7, 3), (1, 4)])
def test_added_samples_are_those_that_would_replace_and_every_new_one_stays(keep, share, old):
    memory = {"a": stored_form(keep, *_patches())}
    added = WithMemory(New(), memory, share, (0,), places="add")[1]
    replaced, new = WithMemory(New(), memory, share, (0,))[1], New()[1]
    for found, of_memory, of_new in zip(added, replaced, new, strict=True):
        assert len(found) == BATCH + old
        assert torch.equal(found[:old], of_memory[:old])
        assert torch.equal(found[old:], of_new)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_a_step_on_added_samples_is_one_of_gradient_descent_on_the_mean_loss_of_all_of_them(parts, tiny):
    """In float64, for every division into parts; θ is neither that of replaced places nor that of new ones alone."""
    memory = {"a": stored_form("pairs", *_patches())}
    settings = {"steps": 1, "batch": BATCH, "patch": SIDE, "learning_rate": 0.1, "warmup": 0, "parts": parts} | SGD
    start = copy.deepcopy(tiny).double()

    def trained(batches):
        network = copy.deepcopy(start)
        list(train(network, InFloat64(batches), Training(**settings), {}))
        return torch.cat([theta.detach().flatten() for theta in network.parameters()])

    added = WithMemory(New(), memory, 0.5, (0,), places="add")
    rainy, clean = (side.double() for side in added[0])
    expected = copy.deepcopy(start)
    loss = LOSSES["negative_ssim"](expected(rainy), clean).mean()
    gradients = torch.autograd.grad(loss, list(expected.parameters()))
    theta = torch.cat([(w - 0.1 * g).detach().flatten() for w, g in zip(expected.parameters(), gradients, strict=True)])
    found = trained(added)
    moved = (theta - torch.cat([w.detach().flatten() for w in start.parameters()])).abs().max()
    assert (found - theta).abs().max() < 1e-9 * moved
    for other in (WithMemory(New(), memory, 0.5, (0,)), New()):
        assert (found - trained(other)).abs().max() > 1e-3 * moved


@pytest.mark.parametrize("keep", ["rain", "pairs"])
@pytest.mark.parametrize(("share", "old"), [(0.25, 1), (0.5, 2), (0.7, 3)])
def test_memory_takes_its_share_of_the_places_and_the_rest_is_new(keep, share, old):
    rainy, clean = WithMemory(New(), {"a": stored_form(keep, *_patches())}, share, (0,))[1]
    new_rainy, new_clean = New()[1]
    assert torch.equal(rainy[old:], new_rainy[old:])
    assert torch.equal(clean[old:], new_clean[old:])
    assert all(not torch.equal(rainy[n], new_rainy[n]) for n in range(old))


def test_old_rain_falls_on_the_new_clean_patch_by_the_rain_model():
    layers = stored_form("rain", *_patches())
    batches = WithMemory(New(), {"a": layers}, 0.5, (0,))
    for step in range(20):
        rainy, clean = batches[step]
        assert torch.equal(clean, New()[step][1])
        for place in range(2):
            level = round(float(clean[place, 0, 0, 0]) * 255)
            expected = [np.clip(level + layer.astype(int), 0, 255) for kept_ in layers for layer in _symmetries(kept_)]
            assert len(_one_of((rainy[place] * 255).round().numpy(), expected)) == 1


def test_old_pairs_come_with_their_own_clean_patch_turned_alike():
    pairs = stored_form("pairs", *_patches())
    batches = WithMemory(New(), {"a": pairs}, 0.5, (0,))
    for step in range(20):
        drawn = np.stack([(side * 255).round().numpy() for side in batches[step]], 1)
        expected = [turned for pair in pairs for turned in _symmetries(pair)]
        assert all(len(_one_of(drawn[place], expected)) == 1 for place in range(2))


def test_every_patch_of_every_dataset_is_drawn_in_every_position_and_datasets_alike():
    memory = {"a": stored_form("pairs", *_patches(1, 1)), "b": stored_form("pairs", *_patches(3, 2))}
    batches = WithMemory(New(), memory, 0.75, (0,))
    candidates = {name: [turned for pair in pairs for turned in _symmetries(pair)] for name, pairs in memory.items()}
    seen = {"a": [], "b": []}
    for step in range(300):
        rainy, clean = batches[step]
        for place in range(3):
            found = np.stack([(side[place] * 255).round().numpy() for side in (rainy, clean)])
            for name, expected in candidates.items():
                seen[name] += _one_of(found, expected)
    assert len(seen["a"]) + len(seen["b"]) == 900
    assert 375 < len(seen["a"]) < 525  # 450 ± 5σ
    assert {name: set(numbers) for name, numbers in seen.items()} == {"a": set(range(8)), "b": set(range(24))}


def test_the_order_in_which_a_file_lists_the_datasets_does_not_matter():
    memory = {"a": stored_form("rain", *_patches(3, 1)), "b": stored_form("rain", *_patches(3, 2))}
    one, other = (WithMemory(New(), listed, 0.5, (0,))[1][0] for listed in (memory, dict(reversed(memory.items()))))
    assert torch.equal(one, other)


@pytest.mark.parametrize("keep", ["rain", "pairs"])
def test_a_memory_moves_theta_and_brings_the_loss_on_old_rain_down(keep, tiny):
    """The old rain darkens, the new one brightens: what helps the one hurts the other."""
    old_clean = torch.full((6, 3, SIDE, SIDE), 150 / 255, dtype=torch.float64)
    old_rainy = old_clean - 60 / 255
    memory = {"a": stored_form(keep, old_rainy, old_clean)}
    recipe = Training(steps=15, batch=BATCH, patch=SIDE, loss="mse", learning_rate=0.05, warmup=0, **SGD)

    def loss_on_old(batches):
        network = copy.deepcopy(tiny).double()
        list(train(network, InFloat64(batches), recipe, {}))
        with torch.no_grad():
            return float(LOSSES["mse"](network(old_rainy), old_clean).mean())

    free, little, much = (
        loss_on_old(New()),
        loss_on_old(WithMemory(New(), memory, 0.25, (0,))),
        loss_on_old(WithMemory(New(), memory, 0.75, (0,))),
    )
    assert much < little < free


def _pool(rains):
    """(rainy, clean) patches whose rain is given, (N, P, P), on mid grey."""
    clean = torch.full((len(rains), 3, SIDE, SIDE), 0.5)
    return clean + torch.from_numpy(np.asarray(rains, np.float32))[:, None], clean


def test_density_keeps_the_patches_with_the_most_rain():
    amounts = np.random.default_rng(0).permutation(40)
    rains = np.zeros((40, SIDE, SIDE))
    rains[np.arange(40), 3, 5] = amounts / 100
    assert set(amounts[chosen("density", *_pool(rains), 5, (0,))]) == {35, 36, 37, 38, 39}


def test_kmeans_keeps_one_of_each_kind_of_rain_wherever_the_streaks_lie():
    """Four kinds, one of them rare: streaks down, streaks across, dots, none."""
    rng = np.random.default_rng(0)
    rains, kinds = np.zeros((40, SIDE, SIDE)), np.array([0] * 20 + [1] * 10 + [2] * 8 + [3] * 2)
    for rain, kind in zip(rains, kinds, strict=True):
        row, column = rng.integers(SIDE, size=2)
        if kind == 0:
            rain[:, column] = 0.3
        elif kind == 1:
            rain[row] = 0.3
        elif kind == 2:
            rain[row, column] = 0.3
    for seed in range(5):
        kept_kinds = kinds[chosen("kmeans", *_pool(rains), 4, (seed,))]
        assert set(kept_kinds) == {0, 1, 2, 3}


@pytest.mark.parametrize("how", ["random", "density", "kmeans"])
def test_as_many_different_patches_are_chosen_as_asked_for_and_the_same_for_the_same_seed(how):
    pool = _patches(48)
    for count in (1, 6, 40):
        mine = chosen(how, *pool, count, (3, 1))
        assert len(set(mine)) == count
        np.testing.assert_array_equal(mine, chosen(how, *pool, count, (3, 1)))


def test_patches_of_one_kind_leave_no_cluster_without_a_patch():
    assert len(set(chosen("kmeans", *_pool(np.full((24, SIDE, SIDE), 0.1)), 3, (0,)))) == 3


def _layers_seen(layers, vary, steps=60):
    """What fell on the new clean patches, in levels; grey that nothing clips.

    The levels of a layer are float32, and added in float64.
    """
    batches = WithMemory(InFloat64(New()), {"a": layers}, 0.5, (0,), vary)
    drawn = [batches[step] for step in range(steps)]
    return np.concatenate([((rainy - clean)[:2] * 255).numpy() for rainy, clean in drawn])


def _small_layers(count=3, side=SIDE):
    return np.random.default_rng(5).integers(0, 30, (count, 3, side, side)).astype(np.int16)


def test_a_shift_moves_a_layer_round_and_changes_nothing_else():
    layers = _small_layers(1)
    found = [tuple(np.sort(seen, None).round()) for seen in _layers_seen(layers, ("shift",))]
    assert set(found) == {tuple(np.sort(layers[0], None))}
    places = {int(seen[0].argmax()) for seen in _layers_seen(layers, ("shift",))}
    assert len(places) > 40  # of 120 draws among 256


def test_a_gain_multiplies_a_layer_by_one_factor_of_its_range():
    layers = _small_layers(1)
    factors = [seen.sum() / layers.sum() for seen in _layers_seen(layers, ("gain",))]
    rounding = of_roundings(4)  # of the factor, of its product with a level, of the division by 255; and of float64
    assert min(factors) >= GAIN[0] * (1 - rounding)
    assert max(factors) <= GAIN[1] * (1 + rounding)
    assert max(factors) - min(factors) > 0.5 * (GAIN[1] - GAIN[0])
    one = _layers_seen(layers, ("gain",), 1)[0]
    ratios = [np.abs(one - turned * (one.sum() / layers.sum())).max() for turned in _symmetries(layers[0])]
    assert min(ratios) <= 2 * rounding * one.max()


def test_a_mix_adds_a_second_layer_of_the_dataset():
    layers = np.zeros((3, 3, SIDE, SIDE), np.int16) + np.array([1, 10, 40], np.int16)[:, None, None, None]
    sums = {round(float(seen.mean())) for seen in _layers_seen(layers, ("mix",))}
    assert sums == {a + b for a in (1, 10, 40) for b in (1, 10, 40)}


def test_a_layer_below_the_patch_is_continued_periodically():
    layers = _small_layers(1, side=6)
    expected = [np.pad(turned, [(0, 0), (0, 10), (0, 10)], "wrap") for turned in _symmetries(layers[0])]
    for seen in _layers_seen(layers, (), 10):
        assert any(np.array_equal(seen.round(), tiled) for tiled in expected)


def test_smaller_layers_take_fewer_bytes():
    layers = stored_form("rain", *(side[..., :6, :6] for side in _patches(5)))
    assert layers.nbytes == Memory(patches=5, patch=6).bytes_of_dataset(SIDE)
