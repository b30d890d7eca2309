"""New rain of other strength, in float64."""

from functools import partial

import numpy as np
import pytest
import torch
from derain.config.methods import Intensity
from derain.data.patches import PatchSampler
from derain.files import tensors
from derain.method.intensity import factors_in, factors_to, rain_of_other_strength
from derain.plan.recipes import StateRecipe
from derain.training.streams import STATE
from entry import Files, run_script
from precision import SHARP

pytestmark = pytest.mark.numerical

OLD = [np.array([0.01, 0.02]), np.array([0.03])]


def _widened(rainy, clean, bounds, seed):
    return rain_of_other_strength(rainy, clean, factors_in(bounds, rainy, seed))


def test_other_strengths_are_the_rain_model_with_one_factor_a_sample_drawn_log_uniformly(images):
    clean = torch.full((2000, 3, 2, 2), 0.25, dtype=torch.float64)
    rainy = clean + 0.125
    factors = (_widened(rainy, clean, (0.25, 4), (1, 2)) - clean) / 0.125
    assert (factors - factors[:, :1, :1, :1]).abs().max() < SHARP
    logs = factors[:, 0, 0, 0].log2()
    assert logs.min() >= -2 - SHARP
    assert logs.max() <= 2 + SHARP
    quarters = torch.histc(logs, 4, -2, 2)
    assert (quarters - 500).abs().max() < 100  # ± 5σ


def test_a_factor_of_one_is_the_rainy_image_and_what_leaves_the_range_is_clipped(images):
    rainy, clean = images(3)
    torch.testing.assert_close(_widened(rainy, clean, (1, 1), (0,)), rainy, rtol=0, atol=SHARP)
    for image, background, end in ((rainy, clean, 1), (clean, rainy, 0)):  # rain that brightens, rain that darkens
        strong = _widened(image, background, (9, 9), (0,))
        torch.testing.assert_close(strong, (background + 9 * (image - background)).clamp(0, 1), rtol=0, atol=SHARP)
        assert (strong == end).any()


def test_each_sample_gets_an_old_intensity_and_all_old_datasets_and_patches_their_share(images):
    clean, generator = torch.full((3000, 3, 4, 4), 0.5, dtype=torch.float64), torch.Generator().manual_seed(0)
    rainy = clean + 0.04 * torch.rand(clean.shape, generator=generator, dtype=torch.float64) + 0.03
    seen = rain_of_other_strength(rainy, clean, factors_to(OLD, rainy, clean, (1, 2)))
    found = np.abs(seen.numpy() - clean.numpy()).mean((1, 2, 3))
    for wanted, count in ((0.01, 750), (0.02, 750), (0.03, 1500)):
        assert abs((np.abs(found - wanted) < SHARP).sum() - count) < 140  # 5σ
    ratio = (seen - clean) / (rainy - clean)
    assert (ratio - ratio[:, :1, :1, :1]).abs().max() < 1e-6  # one factor a sample


def test_rain_that_is_weaker_than_old_rain_stays_as_it_is_and_none_stays_none():
    clean = torch.full((2, 3, 4, 4), 0.5, dtype=torch.float64)
    faint = clean + torch.tensor([0.005, 0.0], dtype=torch.float64)[:, None, None, None]
    for old in (OLD, [np.zeros(3)]):
        seen = rain_of_other_strength(faint, clean, factors_to(old, faint, clean, (0,)))
        assert torch.equal(seen[1], clean[1])
        torch.testing.assert_close(seen[0], (faint if old is OLD else clean)[0], rtol=0, atol=SHARP)


def _in_a_range(rainy, clean, *place):
    return factors_in((0.5, 2), rainy, *place)


@pytest.mark.parametrize("factors", [_in_a_range, partial(factors_to, OLD)])
def test_factors_are_a_pure_function_of_the_seed_and_of_the_place_in_the_batch(factors, images):
    rainy, clean = images(5)
    one, again, other = (factors(rainy, clean, seed) for seed in ((1, 2), (1, 2), (1, 3)))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(factors(rainy[2:4], clean[2:4], (1, 2), 2), one[2:4])
    assert not torch.equal(factors(rainy[2:4], clean[2:4], (1, 2)), one[2:4])


def test_measured_intensities_are_those_of_the_training_patches(pairs, monkeypatch, tmp_path):
    monkeypatch.setattr("derain.data.store.PackedPairs", lambda stores, split: pairs)
    recipe = StateRecipe(
        code={},
        module="derain.method.intensity",
        seed=3,
        depth=2,
        datasets={"b": "digest"},
        patch=16,
        options={"patches": 9},
        network=None,
        training=None,
    )
    past, made = tmp_path / "past.safetensors", tmp_path / "made.safetensors"
    tensors.write(str(past), {"a": np.array([0.25], np.float32)}, {})
    files = Files(past=str(past), tables=["t"], pixels=["p"])
    run_script("state", input=files, output=[str(made)], params=Files(recipe=recipe.plain()), log=[None])
    rainy, clean = PatchSampler(pairs, 16, 9, (3, STATE, 2))[0]
    found = tensors.read(str(made))[0]
    assert list(found) == ["a", "b"]
    assert found["a"].tolist() == [0.25]
    expected = np.abs(rainy.double().numpy() - clean.double().numpy()).mean((1, 2, 3))
    assert found["b"].dtype == np.float32
    assert found["b"].nbytes == Intensity(patches=9).bytes_of_dataset(16)
    np.testing.assert_allclose(found["b"], expected, rtol=1e-5)
