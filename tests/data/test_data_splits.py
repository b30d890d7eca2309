"""Training, validation and test: by scene, by share and seed or by lists."""

import pytest
from trees import counts, photograph, rainy, write


@pytest.fixture
def ddn(root):
    """Ten scenes under three rains each."""
    for scene in range(1, 11):
        write(root / "clean" / f"{scene}.png", photograph(scene))
        for rain in range(1, 4):
            write(root / "rainy" / f"{scene}_{rain}.png", rainy(scene, rain))
    return root


@pytest.fixture
def split(ddn, look):
    pairs = {"rainy": "rainy/{scene}_{rain}.png", "clean": "clean/{scene}.png"}

    def by_scene(**section):
        found = look({"d": {"layout": "folders", "root": str(ddn), "train": pairs} | section})
        assert found.errors == []
        return {sample.scene: sample.split for sample in found.manifest["d"]}, found.manifest["d"]

    return by_scene


def test_shares_are_of_scenes_and_divide_none(split):
    _, samples = split(test_share=0.2, validation_share=0.25)
    assert counts(samples) == {"train": 18, "validation": 6, "test": 6}
    assert len({(sample.scene, sample.split) for sample in samples}) == 10


def test_the_seed_decides_the_draw(split):
    first, _ = split(test_share=0.3, seed=1)
    assert first == split(test_share=0.3, seed=1)[0]
    assert any(first != split(test_share=0.3, seed=seed)[0] for seed in range(2, 6))


def test_lists_name_scenes_or_their_files(split, ddn):
    (ddn / "test.txt").write_text("3\n7\n")
    (ddn / "validation.txt").write_text("rainy/4_2.png\n9.png\n")
    scenes, samples = split(test_list="test.txt", validation_list="validation.txt")
    assert {scene for scene, where in scenes.items() if where == "test"} == {"3", "7"}
    assert {scene for scene, where in scenes.items() if where == "validation"} == {"4", "9"}
    assert counts(samples) == {"train": 18, "validation": 6, "test": 6}


def test_a_list_that_names_no_scene(ddn, look):
    (ddn / "test.txt").write_text("3\n77\n")
    pairs = {"rainy": "rainy/{scene}_{rain}.png", "clean": "clean/{scene}.png"}
    found = look({"d": {"layout": "folders", "root": str(ddn), "train": pairs, "test_list": "test.txt"}})
    assert [line for line in found.errors if "'77' is no scene" in line] == found.errors != []


def test_a_dataset_that_is_only_scored_lists_its_test_pairs(ddn, look):
    pairs = {"rainy": "rainy/{scene}_{rain}.png", "clean": "clean/{scene}.png"}
    rain = {"angle": [0, 1], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.2]}
    section = {"layout": "folders", "root": str(ddn), "train": pairs, "test_share": 0.2}
    found = look({"d": section, "other": {"layout": "rendered", "rain": rain}}, trained=("other",))
    assert counts(found.manifest["d"]) == {"train": 0, "validation": 0, "test": 6}


def test_one_scene_cannot_be_divided(ddn, look):
    pairs = {"rainy": "rainy/1{scene}_{rain}.png", "clean": "clean/1{scene}.png"}
    test = {"rainy": "rainy/{scene}_1.png", "clean": "clean/{scene}.png"}
    found = look({"d": {"layout": "folders", "root": str(ddn), "train": pairs, "test": test}}, on_leakage="warn")
    assert any("one training scene cannot be divided" in line for line in found.errors)
