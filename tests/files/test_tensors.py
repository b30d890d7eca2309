import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from derain.errors import UserError
from derain.files import tensors
from derain.files.digest import file_digest
from derain.files.metadata import check, metadata, recipe_digest
from derain.networks import weights
from places import REPOSITORY
from safetensors import safe_open
from safetensors.numpy import save

METADATA = {"seed": 3, "network": {"backbone": "prenet", "lstm": True}, "θ": [1.5, None, "é"]}


def _arrays():
    rng = np.random.default_rng(0)
    names = {"b": rng.random((2, 3)), "a": rng.random(4).astype(np.float32), "0d": np.float32([2])}
    return names | {"empty": np.zeros((0, 3))} | {f"c{n}": rng.random(n) for n in range(20)}


def test_what_is_written_is_read_again_with_its_metadata(tmp_path):
    tensors.write(tmp_path / "x.safetensors", _arrays(), METADATA)
    arrays, metadata = tensors.read(tmp_path / "x.safetensors")
    assert metadata == METADATA
    assert list(arrays) == sorted(_arrays())
    for name, expected in _arrays().items():
        assert arrays[name].dtype == expected.dtype
        np.testing.assert_array_equal(arrays[name], expected)


@pytest.mark.parametrize("value", [np.float32(0.5), np.int64(7), np.array(True)])
def test_a_number_without_axes_comes_back_without_axes(value, tmp_path):
    tensors.write(tmp_path / "x.safetensors", {"number": np.asarray(value)}, {})
    (found,) = tensors.read(tmp_path / "x.safetensors")[0].values()
    assert (found.shape, found.dtype, found[()]) == ((), value.dtype, value)
    with safe_open(tmp_path / "x.safetensors", "pt") as file:
        assert file.get_tensor("number").shape == torch.Size([])


def test_parameters_are_what_the_metadata_do_not_call_buffers(tmp_path):
    tensors.write(tmp_path / "x.safetensors", _arrays(), {"buffers": ["a", "0d"]})
    assert tensors.parameters(tmp_path / "x.safetensors").keys() == _arrays().keys() - {"a", "0d"}
    tensors.write(tmp_path / "x.safetensors", _arrays(), {})
    assert tensors.parameters(tmp_path / "x.safetensors").keys() == _arrays().keys()


def test_strided_views_are_written_by_their_values(tmp_path):
    transposed = np.arange(6.0).reshape(2, 3).T
    tensors.write(tmp_path / "x.safetensors", {"w": transposed}, {})
    np.testing.assert_array_equal(tensors.read(tmp_path / "x.safetensors")[0]["w"], transposed)


@pytest.mark.slow
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
    with pytest.raises(UserError, match=f"^{re.escape(str(path))}: "):
        metadata(path)


@pytest.mark.parametrize("header", [b"[]", b"{", b"\xff", b'{"__metadata__": 1}', b'{"__metadata__": {"derain": "[]"}}',
                                    b'{"__metadata__": {"derain": "{\\"parents\\": {\\"theta\\": 1}}"}}'])  # fmt: skip
def test_what_is_no_table_of_metadata_is_refused(header, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    for read in (metadata, tensors.read):
        with pytest.raises(UserError, match=r"x\.safetensors: is no valid safetensors file \(.+\); delete it"):
            read(tmp_path / "x.safetensors")


def test_a_pipe_is_refused_and_nothing_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "x.safetensors")
    for read in (metadata, tensors.read):
        with pytest.raises(UserError, match="is no regular file"):
            read(tmp_path / "x.safetensors")


def _other_array(arrays, told):
    arrays["a"][1] += 1


def _other_name(arrays, told):
    arrays["new"] = arrays.pop("a")


def _other_shape(arrays, told):
    arrays["b"] = arrays["b"].reshape(3, 2)


def _other_metadata(arrays, told):
    told["seed"] += 1


@pytest.mark.parametrize("change", [_other_array, _other_name, _other_shape, _other_metadata])
def test_what_was_changed_after_it_was_written_is_refused(change, tmp_path):
    """Whole files of safetensors, as another program writes them with the metadata that it found."""
    path = tmp_path / "x.safetensors"
    tensors.write(path, _arrays(), METADATA)
    with safe_open(path, "numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        told = json.loads(file.metadata()["derain"])
    change(arrays, told)
    path.write_bytes(save(arrays, {"derain": json.dumps(told)}))
    with pytest.raises(UserError, match=r"\(damaged, or changed after it was written\); delete it"):
        tensors.read(path)


def test_weights_of_another_program_are_read(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(save(_arrays(), {"format": "pt"}))
    assert tensors.read(tmp_path / "x.safetensors")[1] == {}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_seen(value, tmp_path):
    path, arrays = tmp_path / "x.safetensors", _arrays()
    tensors.write(path, arrays, {})
    tensors.finite(path.read_bytes())
    arrays["b"][1, 2] = value
    tensors.write(path, arrays, {})
    with pytest.raises(ValueError, match="not finite"):
        tensors.finite(path.read_bytes())


# --- files that stand where others were planned

RECIPE = {"seed": 3, "code": {"first": "abc"}}


@pytest.fixture
def stage(tmp_path):
    """θ and the Ω that was computed at it."""
    theta, omega = tmp_path / "theta.safetensors", tmp_path / "omega.safetensors"
    tensors.write(theta, _arrays(), RECIPE | {"data": "d", "versions": {"torch": "2"}, "parents": {}})
    tensors.write(omega, _arrays(), RECIPE | {"parents": {"theta": file_digest(theta)}})
    return theta, omega


def _planned(*files, recipe=RECIPE):
    return {str(file): (recipe_digest({"another": 1}), recipe_digest(recipe)) for file in files}


def test_files_of_the_planned_recipes_pass(stage):
    check(_planned(*stage))
    check({})


def test_a_file_of_another_recipe_is_refused_with_what_to_do(stage):
    theta, omega = stage
    with pytest.raises(UserError, match="delete it and run again, or name it as initial_weights") as refused:
        check(_planned(theta, recipe=RECIPE | {"seed": 4}))
    assert str(refused.value).startswith(f"{theta}: ")
    with pytest.raises(UserError, match=r"delete it and run again$"):
        check(_planned(omega, recipe={}))
    theta.write_bytes(save(_arrays()))  # of another program
    with pytest.raises(UserError, match="was made by another recipe than the config, data and code now give"):
        check(_planned(theta))


def test_what_was_made_at_another_theta_is_refused(stage):
    """Also where that θ is of the same recipe: of another machine, or another version of torch."""
    theta, omega = stage
    tensors.write(theta, {name: array * 1.001 for name, array in _arrays().items()}, RECIPE)
    check(_planned(theta))
    with pytest.raises(UserError, match=f"^{re.escape(str(omega))}: was made at another θ than {theta}"):
        check(_planned(omega))


def test_theta_of_a_network_comes_back_into_another_one_bit_for_bit(tiny, tmp_path):
    from derain.networks import build

    tensors.write(tmp_path / "theta.safetensors", weights.of_network(tiny), {})
    other = build("prenet", stages=2, channels=4, blocks=1)
    assert not torch.equal(other.conv0[0].weight, tiny.conv0[0].weight)
    weights.load_into(other, tmp_path / "theta.safetensors")
    assert all(torch.equal(tiny.state_dict()[name], weight) for name, weight in other.state_dict().items())
