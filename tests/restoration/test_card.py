"""The model card of an export: its text, and the stage whose scores it has."""

import re
import shutil
from pathlib import Path

import pytest
from derain.curriculum import Stage
from derain.evaluation.tiles import Field, field_of
from derain.files import tensors
from derain.networks import weights
from derain.restoration import card
from derain.restoration.card import stage_of
from derain.restoration.loading import opened
from huggingface_hub import ModelCard
from scored import SCORES, SMALL, after, network_of, write_records, write_scored, write_stage


def _card(theta, name="x", field=None, digests=None):
    return card.card(name, opened(theta).metadata, 1, field or Field(1, 1), digests or {}, stage_of(theta))


def test_the_card_has_the_order_the_matrix_the_limits_and_the_digests(tmp_path):
    network, theta = write_scored(tmp_path)
    digests = {"model.safetensors": "0123abcd", "model.onnx": "4567cdef"}
    text = _card(theta, "wet streets", field_of(network), digests)
    assert "one after another: a → b." in text
    assert "Method `nr`, seed 3." in text
    assert "| `steps` | 5 |" in text
    assert "| penalty | `form` squared, `strength` 2.0 |" in text
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    assert [row for row in table if len(row) == 4] == [
        ["after", "a", "b", "far"],
        ["the rainy input", "22.00 / 0.5500", "", ""],
        ["a", "25.00 / 0.8000", "", "100.00 / 1.0000"],
        ["a → b", "21.00 / 0.6500", "33.33 / 0.9500", ""],
    ]
    assert "* On a the output scores below the rainy input: 21.00 dB, the input 22.00 dB." in text
    assert "* On b" not in text
    assert "up to 10 pixels away" in text  # 2 stages of conv0, gates, a block of two, conv
    for name, digest in digests.items():
        assert f"| `{name}` | `{digest}` |" in text

    data = ModelCard(text).data  # as Hugging Face reads it
    assert data.model_name == "wet streets"
    found = {(each.dataset_name, each.metric_type): each.metric_value for each in data.eval_results}
    assert found == {("a", "psnr"): 21.0, ("a", "ssim"): 0.65, ("b", "psnr"): 33.33, ("b", "ssim"): 0.95}


ROW = "a,1,nearest,22,0.6,28,0.8\n"


def test_the_card_has_the_scores_of_its_own_theta_or_none(tmp_path):
    _, first = write_stage(tmp_path, ("a",))
    _, theta = write_stage(tmp_path, ("a", "b"), parents=after(first))
    for each in (first, theta):
        (each.parent / "scores/all.csv").write_text(SCORES + ROW)
    assert card.scores_of(*stage_of(theta)) is None  # without records
    write_records(tmp_path, first, "all.csv")
    assert card.scores_of(*stage_of(theta)) is None  # only the stage before is scored
    write_records(tmp_path, theta, "all.csv")
    assert card.scores_of(*stage_of(theta)).stages == [("a",), ("a", "b")]
    write_records(tmp_path, first, "all.csv", digest="of another θ")
    assert card.scores_of(*stage_of(theta)).stages == [("a", "b")]
    write_records(tmp_path, theta, "all.csv", digest="of another θ")
    assert card.scores_of(*stage_of(theta)) is None
    assert "There were no scores that are known to be of these weights." in _card(theta)


def test_the_card_has_no_scores_of_another_theta_before_its_own(tmp_path):
    """As while a run trains the stages again: the first one is there and scored, the next one is not yet replaced."""
    _, first = write_stage(tmp_path, ("a",))
    _, theta = write_stage(tmp_path, ("a", "b"), parents=after(first))
    tensors.write(first, weights.of_network(network_of(SMALL)), {"network": SMALL, **TRAINED})
    for each in (first, theta):
        _scored(tmp_path, each, "all.csv", 20)
    assert card.scores_of(*stage_of(first)).stages == [("a",)]
    assert card.scores_of(*stage_of(theta)).stages == [("a", "b")]


def test_rainy_scores_of_other_images_are_not_on_the_card(tmp_path):
    """As after a later experiment with another test set of the same name."""
    _, theta = write_stage(tmp_path, ("a",))
    (theta.parent / "scores/all.csv").write_text(SCORES + ROW)
    rainy = tmp_path / "results/datasets/a/rainy.csv"
    rainy.parent.mkdir(parents=True)
    rainy.write_text("dataset,image,psnr_y_db,ssim_y,psnr_rgb_db,ssim_rgb\na,1,21,0.25,0,0\n")
    write_records(tmp_path, theta, "all.csv")
    assert card.scores_of(*stage_of(theta)).rainy_db == {"a": 21.0}
    rainy.write_text("dataset,image,psnr_y_db,ssim_y,psnr_rgb_db,ssim_rgb\na,1,23,0.25,0,0\n")  # the same name
    assert card.scores_of(*stage_of(theta)).rainy_db == {}
    rainy.unlink()
    assert card.scores_of(*stage_of(theta)).rainy_db == {}


def _scored(run, theta, name, psnr, sets="a", **made):
    """A table of scores with its record."""
    rows = "".join(f"{each},1,nearest,{psnr},0.6,28,0.8\n" for each in sets)
    (theta.parent / "scores" / name).write_text(SCORES + rows)
    write_records(run, theta, name, **made)


@pytest.mark.parametrize("change", [{"pixels": "2"}, {"ssim": "full_size"}, {"tile": 64}, {"pixels": "2", "tile": 64}])
def test_the_card_has_the_scores_of_one_evaluation(change, tmp_path):
    """A table of all datasets stays beside those of each dataset after `evaluation.split` was changed."""
    _, first = write_stage(tmp_path, ("a",))
    _, theta = write_stage(tmp_path, ("a", "b"), parents=after(first))
    for each in (first, theta):
        _scored(tmp_path, each, "all.csv", 20, "abc", ended=1)
    for name, ended in (("a", 2), ("b", 3)):
        _scored(tmp_path, theta, f"{name}.csv", 30, name, ended=ended, **change)
    found = card.scores_of(*stage_of(theta)).psnr_db
    same_settings = change.keys() == {"pixels"}  # then test set c, whose images are the same, was not scored again
    assert found.pop(("a", "b")) == {"a": 30, "b": 30} | ({"c": 20} if same_settings else {})
    assert found == ({("a",): {"c": 20}} if same_settings else {})
    _scored(tmp_path, first, "a.csv", 25, ended=4, **change)
    assert card.scores_of(*stage_of(theta)).psnr_db["a",]["a"] == 25


def test_scores_of_the_test_images_that_are_there_come_before_later_ones(tmp_path):
    """As after a change of the test images and of `evaluation.split` was undone: nothing is scored again."""
    _, theta = write_stage(tmp_path, ("a",))
    rainy = tmp_path / "results/datasets/a/rainy.csv"
    rainy.parent.mkdir(parents=True)
    text = "dataset,image,psnr_y_db,ssim_y,psnr_rgb_db,ssim_rgb\na,1,{},0.25,0,0\n"
    for name, psnr, change in (("all.csv", 20, {}), ("a.csv", 30, {"pixels": "2", "ended": 1})):
        rainy.write_text(text.format(psnr))
        _scored(tmp_path, theta, name, psnr, **change)
    for psnr in (30, 20):
        rainy.write_text(text.format(psnr))
        found = card.scores_of(*stage_of(theta))
        assert (found.psnr_db, found.rainy_db) == ({("a",): {"a": psnr}}, {"a": psnr})


TRAINED = {"training": {"steps": 5}, "method": {}}


def _rows(text):
    """The first cells of the table of scores."""
    table = text.partition("| after |")[2].partition("\n\n## ")[0]
    return [line.split("|")[1].strip() for line in table.splitlines()[3:] if line]


@pytest.mark.parametrize("learned", [("a",), ("a", "b")])
def test_the_card_says_which_datasets_were_learned_elsewhere(learned, tmp_path):
    """A given network, and the same after two datasets more."""
    stages = [Stage("net", 3, "first", learned, len(learned))]
    stages += [Stage("net", 3, "nr", (*learned, *more), len(learned)) for more in ("c", "cd")]
    told = {"initial_weights": "0123abcd"}
    for stage in stages:
        theta = tmp_path / stage.file("theta.safetensors")
        (theta.parent / "scores").mkdir(parents=True)
        tensors.write(theta, weights.of_network(network_of(SMALL)), {"network": SMALL, **told})
        (theta.parent / "scores/a.csv").write_text(f"{SCORES}a,1,nearest,30,0.9,28,0.8\n")
        write_records(tmp_path, theta, "a.csv")
        told = {"parents": after(theta), "depth": 2, **TRAINED}
    first, _, last = (_card(tmp_path / stage.file("theta.safetensors")) for stage in stages)
    elsewhere = ", ".join(learned)
    for text in (first, last):
        assert f"weights were trained elsewhere, according to the config on {elsewhere}.\n" in text
        assert "Initial weights: sha256 `0123abcd`." in text
    assert "Method" not in first
    assert "Then it learned 2 datasets, one after another: c → d.\nMethod `nr`, seed 3.\n" in last
    assert _rows(first) == [elsewhere]
    assert _rows(last) == [elsewhere, f"{elsewhere} → c", f"{elsewhere} → c → d"]


def test_the_card_of_a_joint_network_has_no_stages_before_it(tmp_path):
    """The network of its first dataset alone has scores, too."""
    for stage in (Stage("net", 3, "first", ("a",)), Stage("net", 3, "joint", ("a", "b"))):
        theta = tmp_path / stage.file("theta.safetensors")
        (theta.parent / "scores").mkdir(parents=True)
        told = {"initial_weights": "0123abcd", **TRAINED}
        tensors.write(theta, weights.of_network(network_of(SMALL)), {"network": SMALL, **told})
        (theta.parent / "scores/a.csv").write_text(f"{SCORES}a,1,nearest,30,0.9,28,0.8\n")
        write_records(tmp_path, theta, "a.csv")
    text = _card(theta)
    assert "It learned 2 datasets at once: a, b.\nMethod `joint`, seed 3." in text
    assert _rows(text) == ["a, b"]


def test_the_card_of_a_blend_has_its_share_and_what_was_blended(tmp_path):
    """A fixed α stands in the metadata, a chosen one in the table beside θ."""
    parents = {"theta": "11", "trained": "22"}
    for learned, told in ((("a", "b"), {"alphas": [0.25]}), (("a", "c"), {"alphas": [0.75, 0.5], "give_up": 0.1})):
        _, theta = write_stage(tmp_path, learned, datasets={learned[1]: "…"}, parents=parents, **told)
        table = "alpha,validation_psnr_rgb_db,relative_move,chosen\n0.75,1,1,False\n0.5,1,1,True\n"
        (theta.parent / "blend.csv").write_text(table)
        text = _card(theta)
        assert f"α = {0.25 if 'give_up' not in told else 0.5}. θⁿ is the network" in text
        assert "(sha256 `11`)" in text
        assert "(sha256 `22`)" in text
    copied = shutil.copy(theta, tmp_path / "theta.safetensors")  # without its table
    assert "α one of 0.75, 0.5 or 1." in _card(Path(copied))


def test_the_card_of_a_later_stage_names_the_weights_that_the_first_one_started_from(tmp_path):
    _, first = write_stage(tmp_path, ("a",), initial_weights="0123abcd")
    _, later = write_stage(tmp_path, ("a", "b"), parents=after(first))
    assert "Initial weights: sha256 `0123abcd`." in _card(later)
    _, other = write_stage(tmp_path, ("a", "c"), parents={"theta": "of another θ"})
    assert "Initial weights" not in _card(other)


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("results/stages/net/seed3/nr/a/b", "net/seed3/nr/a/b"),
        ("results/stages/results/stages/net/seed3/joint/a+b", "net/seed3/joint/a+b"),
        ("results/stages/net/seed0/given", "net/seed0/given"),
        ("results/stages/net", None),
        ("results/stages/net/seedx/nr/a", None),
        ("results/search/net/seed0/nr/a/b/scale-1", None),
        ("elsewhere", None),
    ],
)
def test_the_stage_of_a_file_comes_from_its_place(place, path, tmp_path):
    theta = tmp_path / place / "theta.safetensors"
    theta.parent.mkdir(parents=True)
    tensors.write(theta, weights.of_network(network_of(SMALL)), {"network": SMALL})
    found = stage_of(theta)
    assert (found and found[1].path) == path


def test_only_the_theta_of_a_stage_has_its_card_wherever_the_file_lies(tmp_path):
    """Beside θ: an older one, a copy, a file of another kind; links to all of them; a stage's θ and a results folder
    on another disk.
    """
    _, theta = write_scored(tmp_path)
    first, folder = tmp_path / "results/stages/net/seed3/first/a", theta.parent
    older, inner = folder / "theta-before.safetensors", folder / "old/theta.safetensors"
    copied, elsewhere = folder / "again.safetensors", first / "of-b.safetensors"  # the latter beside another θ
    inner.parent.mkdir()
    for file in (older, inner):
        told = {"network": SMALL, "datasets": {"b": "of another day"}, "parents": after(first / theta.name)}
        tensors.write(file, weights.of_network(network_of(SMALL)), told)
    for file in (copied, elsewhere):
        shutil.copy(theta, file)
    links = {"here.safetensors": theta, "before.safetensors": older}
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
        (first / name).symlink_to(target)
    expected = _card(theta)
    assert "a → b" in expected
    assert "model-index" in expected
    for file in (copied, tmp_path / "here.safetensors", first / "here.safetensors"):
        assert _card(file) == expected
    for file in (older, inner, elsewhere, tmp_path / "before.safetensors", first / "before.safetensors"):
        text = _card(file)
        assert "There were no scores that are known to be of these weights." in text
        assert stage_of(file) is None
        assert not re.search("model-index|one after another|Method|\\| after", text)

    theta.rename(tmp_path / "of another disk")
    theta.symlink_to(tmp_path / "of another disk")
    assert _card(theta) == expected
    (tmp_path / "results").rename(tmp_path / "large")
    (tmp_path / "results").symlink_to(tmp_path / "large")
    assert _card(theta) == expected
    assert _card(theta.parent / "again.safetensors") == expected


def test_a_link_to_the_folder_of_a_stage_has_the_card_of_that_stage(tmp_path):
    _, theta = write_scored(tmp_path)
    other = theta.parent.with_name("c")
    other.symlink_to(theta.parent)
    assert stage_of(other / theta.name) == stage_of(theta)


def test_a_copy_of_a_results_tree_has_the_card_of_its_own_records(tmp_path):
    _, theta = write_scored(tmp_path / "here")
    copied = shutil.copytree(tmp_path / "here", tmp_path / "there") / theta.relative_to(tmp_path / "here")
    assert _card(copied) == _card(theta)
    shutil.rmtree(tmp_path / "there/.snakemake")
    assert "There were no scores that are known to be of these weights." in _card(copied)
