"""The functions of the package for Python: load, restore, results."""

import re
import shutil

import derain
import numpy as np
import pytest
import torch
from derain.errors import UserError
from derain.evaluation.tiles import smallest_side
from derain.restoration import images
from PIL import Image
from places import REPOSITORY
from restorations import pixels, pixels_of, whole


def test_python_gets_the_same_from_arrays_images_and_tensors(network, theta, monkeypatch):
    loaded = derain.load(theta.parent)
    rainy = pixels(40, 50)
    expected = whole(network, rainy)
    np.testing.assert_array_equal(derain.restore(loaded, rainy), expected)
    np.testing.assert_array_equal(np.asarray(derain.restore(loaded, Image.fromarray(rainy))), expected)
    tensor = torch.from_numpy(rainy).permute(2, 0, 1) / 255
    found = derain.restore(loaded, tensor)
    np.testing.assert_array_equal((found * 255).round().permute(1, 2, 0).numpy(), expected)
    monkeypatch.setattr(images, "side_within", lambda network, field, *_: smallest_side(field))
    np.testing.assert_array_equal(derain.restore(loaded, rainy), expected)


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (np.zeros((4, 4, 3)), "uint8, not (4, 4, 3) of float64"),
        (np.zeros((4, 4), np.uint8), "not (4, 4) of uint8"),
        (np.zeros((0, 4, 3), np.uint8), "not (0, 4, 3)"),
        (torch.zeros(1, 3, 4, 4), "not (1, 3, 4, 4)"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "of floats"),
        ("photo.jpg", "not str"),
        *(
            (Image.fromarray(np.zeros((4, 4), kind)), f"a PIL image of mode {mode} has more than 8 bits a channel;")
            for kind, mode in ((np.uint16, "I;16"), (np.int32, "I"), (np.float32, "F"))
        ),
        (Image.new("LAB", (4, 4)), "a PIL image of mode LAB has colours in LAB; convert it to RGB first"),
        (torch.full((3, 4, 4), torch.nan), "in [0, 1], not from nan to nan"),
        (torch.tensor([0, 0.5, torch.inf]).expand(3, 1, 3), "in [0, 1], not from 0 to inf"),
        (torch.tensor([0, 128, 255.0]).expand(3, 1, 3), "in [0, 1], not from 0 to 255"),
        (torch.tensor([-0.0025, 0.5, 1]).expand(3, 1, 3), "in [0, 1], not from -0.0025 to 1"),
    ],
)
def test_python_refuses_other_images(network, image, error):
    with pytest.raises((TypeError, ValueError)) as raised:
        derain.restore(network, image)
    assert error in str(raised.value)


@pytest.mark.parametrize("device", ["foo", "cuda:977", "cuda:-2"])
def test_a_device_that_torch_has_not_is_a_fault_of_the_user(device, theta):
    with pytest.raises(UserError, match=f"^device {device}: torch cannot use it [(].*[)]$"):
        derain.load(theta, device=device)


def test_the_memory_is_a_number_or_the_text_of_the_command(network, monkeypatch):
    given = []
    side = images.side_within
    monkeypatch.setattr(images, "side_within", lambda *limits: (given.append(limits[2]), side(*limits))[1])
    rainy = pixels(8, 9)
    outputs = [derain.restore(network, rainy, memory=memory) for memory in (2 * 10**9, "2G")]
    np.testing.assert_array_equal(*outputs)
    assert given == [2 * 10**9] * 2
    for image in (rainy, Image.fromarray(rainy), torch.zeros(3, 8, 9)):
        with pytest.raises(UserError, match=r"^memory: 'much' is no number of bytes, such as 2G or 500M$"):
            derain.restore(network, image, memory="much")


def test_python_takes_values_that_a_rounding_moves_out_of_the_range(network):
    tensor = torch.rand(3, 8, 9, generator=torch.Generator().manual_seed(0)).round()
    expected = derain.restore(network, tensor)
    assert torch.equal(derain.restore(network, tensor * 1.003 - 0.0015), expected)


def test_python_turns_a_pil_image_upright(network, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90°
    Image.fromarray(pixels(20, 30)).save(tmp_path / "p.png", exif=exif)
    with Image.open(tmp_path / "p.png") as image:
        found = derain.restore(network, image)
    np.testing.assert_array_equal(np.asarray(found), whole(network, np.rot90(pixels(20, 30), -1)))


def test_the_tables_of_an_experiment_come_by_stage(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/matrix.csv").write_text("network,seed,method,order,stage,psnr_y_db\nnet,0,nr,a>b,2,30.5\n")
    (tmp_path / "tables/cost.csv").write_text("rule,jobs\nfirst,2\nnext,3\n")  # of rules, not of stages
    matrix, cost = (derain.results(tmp_path)[name] for name in ("matrix", "cost"))
    assert cost["jobs"].tolist() == [2, 3]
    assert matrix.loc[("net", 0, "nr", "a>b", 2), "psnr_y_db"] == 30.5
    with pytest.raises(derain.errors.UserError, match="has no tables"):
        derain.results(tmp_path / "tables")


def test_the_example_of_the_documents_works(network, theta, tmp_path, monkeypatch):
    text = (REPOSITORY / "docs/how-to/restore.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"(?ms)^```python\n(.*?)^```$", text)
    monkeypatch.chdir(tmp_path)
    shutil.copy(theta, "theta.safetensors")
    Image.fromarray(pixels(20, 30)).save("photograph.png")
    exec(example, {})
    np.testing.assert_array_equal(pixels_of(tmp_path / "restored.png"), whole(network, pixels(20, 30)))
