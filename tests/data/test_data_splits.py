"""Training, validation and test: by scene, by share and seed or by lists."""

import pytest
from PIL import Image
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


def test_the_drawn_test_split_does_not_depend_on_the_use(split, ddn, look):
    """Scenes of the validation list leave the draw also where the dataset is only scored."""
    (ddn / "validation.txt").write_text("2\n5\n6\n9\n")
    keys = {"test_share": 0.3, "validation_list": "validation.txt"}
    for seed in range(4):
        _, samples = split(**keys, seed=seed)
        pairs = {"rainy": "rainy/{scene}_{rain}.png", "clean": "clean/{scene}.png"}
        scored = {"layout": "folders", "root": str(ddn), "train": pairs, "seed": seed} | keys
        rain = {"angle": [0, 1], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.2]}
        found = look({"scored": scored, "other": {"layout": "rendered", "rain": rain}}, trained=("other",))
        assert found.manifest["scored"] == [sample for sample in samples if sample.split == "test"] != []


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


SAME = {
    "copied": lambda clean, first: write(clean, photograph(first)),
    "linked": lambda clean, first: clean.symlink_to(f"{10 + 4 * first}.png"),
    "written again as JPEG": lambda clean, first: write(clean, photograph(first), format="JPEG", quality=70),
    "without its last column": lambda clean, first: write(clean, photograph(first)[:, :-1]),
}


@pytest.fixture(params=SAME)
def repackaged(root, request):
    """Six backgrounds under four rains each, numbered through: the clean image is there for each rain."""
    for scene in range(6):
        for rain in range(4):
            name = f"{10 + 4 * scene + rain}.png"
            clean = root / "train/norain" / name
            if rain == 0:
                write(clean, photograph(scene))
            else:
                SAME[request.param](clean, scene)
            with Image.open(clean) as image:
                width = image.width
            write(root / "train/rain" / name, rainy(scene, rain)[:, :width])
    write(root / "test/rain/1.png", rainy(50))
    write(root / "test/norain/1.png", photograph(50))
    return root


def background(sample):
    return (int(sample.name.removeprefix("train/rain/").removesuffix(".png")) - 10) // 4


def backgrounds_by_split(found):
    assert found.errors == []
    by_split = {}
    for sample in found.manifest["d"]:
        if sample.name.startswith("train/"):
            by_split.setdefault(sample.split, set()).add(background(sample))
    return by_split


@pytest.mark.parametrize("seed", range(3))
def test_a_background_under_many_names_is_on_one_side(repackaged, look, seed):
    drawn = {"layout": "rain-norain", "root": str(repackaged), "validation_share": 0.34, "seed": seed}
    sides = backgrounds_by_split(look({"d": drawn}))
    assert len(sides["validation"]) == 2 and len(sides["train"]) == 4
    assert not sides["validation"] & sides["train"]


def test_drawn_test_scenes_are_of_other_backgrounds(repackaged, look):
    pairs = {"rainy": "train/rain/{scene}.png", "clean": "train/norain/{scene}.png"}
    drawn = {"layout": "folders", "root": str(repackaged), "train": pairs, "test_share": 0.34}
    sides = backgrounds_by_split(look({"d": drawn}))
    assert len(sides["test"]) == 2 and len(sides["train"] | sides["validation"]) == 4
    assert not sides["test"] & (sides["train"] | sides["validation"]) and not sides["train"] & sides["validation"]


def test_a_list_takes_all_of_a_background(repackaged, look):
    (repackaged / "validation.txt").write_text("11\ntrain/rain/17.png\n")
    listed = {"layout": "rain-norain", "root": str(repackaged), "validation_list": "validation.txt"}
    sides = backgrounds_by_split(look({"d": listed}))
    assert sides == {"validation": {0, 1}, "train": {2, 3, 4, 5}}


def test_one_rainy_image_is_on_one_side_whatever_its_clean_images(root, look):
    for number in range(6):
        write(root / "train/rain" / f"{number}.png", rainy(number // 2))
        write(root / "train/norain" / f"{number}.png", photograph(100 + number))
    write(root / "test/rain/1.png", rainy(50))
    write(root / "test/norain/1.png", photograph(50))
    found = look({"d": {"layout": "rain-norain", "root": str(root), "validation_share": 0.34}})
    assert found.errors == []
    sides = {}
    for sample in found.manifest["d"]:
        sides.setdefault(sample.split, set()).add(sample.rainy_sha256)
    assert len(sides["validation"]) == 1 and not sides["validation"] & sides["train"]


def test_scenes_of_different_backgrounds_keep_their_names_and_draw(ddn, split):
    scenes, _ = split(validation_share=0.3, test_share=0.1)
    assert scenes.keys() == {str(scene) for scene in range(1, 11)}


def test_a_validation_split_that_shows_training_pairs_is_told(root, look, capsys):
    for split, numbers in (("train", range(6)), ("validation", (4, 9)), ("test", (50,))):
        for number in numbers:
            write(root / split / "rain" / f"{number}.png", rainy(number, rain=number))
            write(root / split / "norain" / f"{number}.png", photograph(number))
    found = look({"d": {"layout": "rain-norain", "root": str(root)}})
    assert found.errors == []
    (finding,) = found.findings["d"]
    assert (finding.severity, finding.file) == ("warning", "train/rain/4.png")
    assert "is that of d/validation, validation/rain/4.png" in finding.text
    assert "warning: datasets.d: 1 training pairs also occur in the validation split" in capsys.readouterr().err
