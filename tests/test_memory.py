import copy

import numpy as np
import pytest
import torch
from derain.losses import LOSSES
from derain.memory import Replay, remember
from derain.training import Recipe, train


def _pairs(level, count=12, side=16):
    """Pairs of a dataset whose every pixel tells it: rainy `level`, clean one less; number n is told by one pixel."""
    pairs = np.full((count, 2, 3, side, side), level, np.uint8)
    pairs[:, 1] -= 1
    pairs[:, :, 0, 0, 0] = np.arange(count)[:, None]
    return pairs


def _sequence(patches, datasets="abcd"):
    """The memories after each dataset of a path."""
    memories, memory = [], {}
    for n, dataset in enumerate(datasets):
        memory = remember(memory, dataset, _pairs(50 * (n + 1)), patches)
        memories.append(memory)
    return memories


@pytest.mark.parametrize("patches", [4, 7, 12])
def test_the_memory_never_exceeds_its_pairs_however_many_datasets_there_are(patches):
    for memory in _sequence(patches):
        assert sum(len(stored) for stored in memory.values()) <= patches
        assert sum(stored.nbytes for stored in memory.values()) <= patches * _pairs(1, count=1).nbytes


def test_all_datasets_seen_have_equal_shares_and_the_budget_is_used():
    for n, memory in enumerate(_sequence(12), start=1):
        assert list(memory) == list("abcd")[:n]
        assert [len(stored) for stored in memory.values()] == [12 // n] * n


def test_what_is_kept_is_what_was_there_before():
    *_, third, fourth = _sequence(12)
    for n, (dataset, stored) in enumerate(fourth.items()):
        assert stored.dtype == np.uint8
        np.testing.assert_array_equal(stored, _pairs(50 * (n + 1))[:3])
        if dataset in third:
            np.testing.assert_array_equal(stored, third[dataset][:3])


def test_remembering_leaves_the_memory_before_as_it_was():
    past = {"a": _pairs(50)}
    remember(past, "b", _pairs(100), 12)
    assert list(past) == ["a"]
    np.testing.assert_array_equal(past["a"], _pairs(50))


# --- replay


@pytest.fixture
def memory():
    return _sequence(12, "abc")[-1]


def test_a_draw_is_a_pure_function_of_seed_and_step(memory):
    def drawn(seed, step):
        return torch.cat(Replay(memory, 5, seed, LOSSES["l1"]).draw(step))

    forwards = Replay(memory, 5, (0, 4, 2), LOSSES["l1"])
    once = [torch.cat(forwards.draw(step)) for step in (1, 2)]
    assert torch.equal(once[1], drawn((0, 4, 2), 2))
    assert not torch.equal(once[0], once[1])
    assert all(not torch.equal(drawn(seed, 1), once[0]) for seed in ((1, 4, 2), (0, 4, 3)))


def test_rainy_and_clean_of_a_draw_are_partners_from_the_memory_in_0_to_1(memory):
    rainy, clean = (side * 255 for side in Replay(memory, 40, (0,), LOSSES["l1"]).draw(1))
    assert rainy.shape == clean.shape == (40, 3, 16, 16)
    assert rainy.dtype == torch.float32
    torch.testing.assert_close(rainy[:, 1], clean[:, 1] + 1, rtol=0, atol=1e-4)
    torch.testing.assert_close(rainy[:, 0, 0, 0], clean[:, 0, 0, 0], rtol=0, atol=1e-4)
    assert set(rainy[:, 1, 5, 5].round().int().tolist()) <= {50, 100, 150}


def test_every_pair_of_every_dataset_is_drawn_and_datasets_alike(memory):
    memory = memory | {"a": memory["a"][:1]}  # shares that differ, as after a change of the budget
    rainy, _ = Replay(memory, 3000, (0,), LOSSES["l1"]).draw(1)
    levels = (rainy[:, 1, 5, 5] * 255).round().int()
    numbers = (rainy[:, 0, 0, 0] * 255).round().int()
    for level, kept in ((50, 1), (100, 4), (150, 4)):
        of_dataset = numbers[levels == level]
        assert 870 < len(of_dataset) < 1130  # 1000 ± 5σ
        assert set(of_dataset.tolist()) == set(range(kept))


def test_the_order_in_which_a_file_lists_the_datasets_does_not_matter(memory):
    draws = [
        Replay(listed, 6, (0,), LOSSES["l1"]).draw(1)[0]
        for listed in (memory, dict(reversed(memory.items())))
    ]  # fmt: skip
    assert torch.equal(*draws)


def test_replay_is_the_mean_loss_over_its_draw(memory, tiny):
    replay = Replay(memory, 4, (0,), LOSSES["mse"])
    rainy, clean = replay.draw(7)
    with torch.no_grad():
        expected = float(((tiny(rainy) - clean) ** 2).mean())
        assert replay(tiny, 7).item() == pytest.approx(expected, rel=1e-6)


def test_replay_moves_theta_and_brings_the_loss_on_old_pairs_down(tiny, pairs):
    rng = np.random.default_rng(0)
    old = {"a": np.stack([rng.integers(128, 256, (6, 3, 16, 16)), rng.integers(0, 128, (6, 3, 16, 16))], 1)}
    replay = Replay({"a": old["a"].astype(np.uint8)}, 2, (0,), LOSSES["mse"])
    recipe = Recipe(10, 2, 16, "mse", "sgd", 0.02, "constant", 0)
    new = [(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16))] * 10

    def loss_on_old(strength):
        network = copy.deepcopy(tiny)
        terms = {"replay": lambda moving, seen: strength * replay(moving, seen.step)} if strength else {}
        list(train(network, new, recipe, terms))
        rainy, clean = (torch.from_numpy(side / 255).float() for side in (old["a"][:, 0], old["a"][:, 1]))
        with torch.no_grad():
            return float(LOSSES["mse"](network(rainy), clean).mean())

    free, weak, strong = (loss_on_old(strength) for strength in (0, 0.3, 3))
    assert strong < weak < free
