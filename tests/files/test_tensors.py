import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from derain.errors import UserError
from derain.files import tensors
from derain.networks import weights
from places import REPOSITORY

METADATA = {"seed": 3, "network": {"backbone": "prenet", "lstm": True}, "θ": [1.5, None, "é"]}


def _arrays():
    rng = np.random.default_rng(0)
    return {"b": rng.random((2, 3)), "a": rng.random(4).astype(np.float32), "0d": np.float32([2])}


def test_what_is_written_is_read_again_with_its_metadata(tmp_path):
    tensors.write(tmp_path / "x.safetensors", _arrays(), METADATA)
    arrays, metadata = tensors.read(tmp_path / "x.safetensors")
    assert metadata == METADATA
    assert arrays.keys() == _arrays().keys()
    for name, expected in _arrays().items():
        assert arrays[name].dtype == expected.dtype
        np.testing.assert_array_equal(arrays[name], expected)


def test_strided_views_are_written_by_their_values(tmp_path):
    transposed = np.arange(6.0).reshape(2, 3).T
    tensors.write(tmp_path / "x.safetensors", {"w": transposed}, {})
    np.testing.assert_array_equal(tensors.read(tmp_path / "x.safetensors")[0]["w"], transposed)


def test_three_processes_write_the_same_bytes_whatever_the_order_of_names_and_keys(tmp_path):
    program = """if True:
        import sys
        import numpy as np
        from derain.files import tensors
        from derain.networks import weights
        names = sys.argv[2].split(",")
        arrays = {name: np.full((3, 2), ord(name), np.float32) for name in names}
        tensors.write(sys.argv[1], arrays, {name: {"x": names[0] < "a", name: 1} for name in names})
    """
    files = []
    for n, names in enumerate(("a,b,c,d", "d,c,b,a", "b,d,a,c")):
        files.append(tmp_path / f"{n}.safetensors")
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "scripts"), "PYTHONHASHSEED": str(n)}
        subprocess.run([sys.executable, "-c", program, files[-1], names], env=environment, check=True)
    assert len({file.read_bytes() for file in files}) == 1


def test_other_metadata_are_other_bytes(tmp_path):
    for name, seed in (("x", 1), ("y", 2)):
        tensors.write(tmp_path / name, _arrays(), {"seed": seed})
    assert (tmp_path / "x").read_bytes() != (tmp_path / "y").read_bytes()


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.safetensors"
    tensors.write(path, _arrays(), {})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        tensors.write(path, _arrays(), {"unserialisable": object()})
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 100, b"\x08\0\0\0\0\0\0\0{}      "[:12]])
def test_what_is_no_safetensors_is_refused_in_one_line_with_its_name(content, tmp_path):
    path = tmp_path / "x.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as refused:
        tensors.read(path)
    assert str(path) in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_theta_of_a_network_comes_back_into_another_one_bit_for_bit(tiny, tmp_path):
    from derain.networks import build

    tensors.write(tmp_path / "theta.safetensors", weights.of_network(tiny), {})
    other = build("prenet", stages=2, channels=4, blocks=1)
    assert not torch.equal(other.conv0[0].weight, tiny.conv0[0].weight)
    weights.load_into(other, tmp_path / "theta.safetensors")
    assert all(torch.equal(tiny.state_dict()[name], weight) for name, weight in other.state_dict().items())
