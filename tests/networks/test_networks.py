import math
import pickle

import numpy as np
import pytest
import torch
from derain.errors import UserError
from derain.files import tensors
from derain.networks import build, weights
from derain.training.network import network_on
from literal import literal_prenet, random_table
from precision import SHARP
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch
from torch.utils.flop_counter import FlopCounterMode

pytestmark = pytest.mark.numerical

VARIANTS = {
    "PReNet": ({}, 168_963),
    "PReNet_r": ({"shared_block": True}, 94_979),
    "PRN": ({"lstm": False}, 95_107),
    "PRN_r": ({"lstm": False, "shared_block": True}, 21_123),
}

ROUNDING = 1e-12  # of float64: 2e-16 in each of the roughly 100 terms of a sum, in each of up to 40 layers


def _distance(a, b):
    return ((a - b).norm() / b.norm()).item()


@pytest.mark.parametrize("variant", VARIANTS)
def test_number_of_parameters_is_the_published_one(variant):
    options, parameters = VARIANTS[variant]
    assert sum(p.numel() for p in build("prenet", **options).parameters()) == parameters


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameter_names_are_the_published_ones(variant):
    options, _ = VARIANTS[variant]
    modules = ["conv0.0", "conv.0"]
    modules += [f"res_conv{k}.{n}" for k in ([1] if "_r" in variant else [1, 2, 3, 4, 5]) for n in (0, 2)]
    modules += ["conv_i.0", "conv_f.0", "conv_g.0", "conv_o.0"] if "PRe" in variant else []
    assert set(build("prenet", **options).state_dict()) == {
        f"{m}.{kind}" for m in modules for kind in ("weight", "bias")
    }


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_output_equals_that_of_a_literal_prenet_with_its_weights_loaded_strictly(variant, suffix, tmp_path):
    options = {"stages": 3, "channels": 6, "blocks": 5, "lstm": True, "shared_block": False} | VARIANTS[variant][0]
    table = random_table(**options)
    path = tmp_path / f"theta{suffix}"
    if suffix == ".pth":
        torch.save(table, path)
    else:
        save_file({name: weight.numpy() for name, weight in table.items()}, path)
    network = build("prenet", **options)
    weights.load_into(network, path)
    network = network.double()
    rainy = torch.rand(2, 3, 12, 17, dtype=torch.float64)
    exact = {name: weight.double() for name, weight in table.items()}
    literal = literal_prenet(rainy, [exact] * options["stages"], options["blocks"])
    torch.testing.assert_close(network(rainy), literal, rtol=0, atol=SHARP * float(literal.abs().max()))
    assert (network(rainy) - rainy).abs().mean() > 0.01  # not the identity, which any two networks would share


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("stages", [1, 2, 3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_of_every_weight_and_of_the_input_equal_those_of_a_literal_prenet(variant, stages, blocks):
    """Also where a weight has no effect (the forget gate of one stage): 0, for all weights are in the graph."""
    options = {"stages": stages, "channels": 4, "blocks": blocks, "lstm": True, "shared_block": False}
    options |= VARIANTS[variant][0]
    table = {name: weight.double().requires_grad_() for name, weight in random_table(**options).items()}
    network = build("prenet", **options).double()
    network.load_state_dict(table)
    rainy = torch.rand(2, 3, 9, 10, dtype=torch.float64, requires_grad=True)
    direction = torch.randn(2, 3, 9, 10, dtype=torch.float64)
    output, literal = network(rainy), literal_prenet(rainy, [table] * stages, blocks)
    assert _distance(output, literal) < ROUNDING
    names, theta = zip(*network.named_parameters(), strict=True)
    found = torch.autograd.grad((output * direction).sum(), (*theta, rainy))
    expected = torch.autograd.grad((literal * direction).sum(), (*(table[name] for name in names), rainy))
    for name, a, b in zip((*names, "rainy"), found, expected, strict=True):
        if stages == 1 and name.startswith("conv_f."):
            assert not a.any() and not b.any()
        else:
            assert _distance(a, b) < ROUNDING, name


def _multiply_adds(work):
    """Of all convolutions in work()."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() // 2


@pytest.mark.parametrize(
    ("stages", "channels", "blocks", "percent"),
    [(6, 32, 5, 5.0), (3, 16, 2, 14.3), (1, 4, 1, 40.8)],
    ids=["published", "default", "one stage"],
)
@pytest.mark.parametrize("lstm", [True, False])
def test_no_multiply_add_is_spent_on_zeros_or_twice(stages, channels, blocks, percent, lstm):
    shape = {"stages": stages, "channels": channels, "blocks": blocks, "lstm": lstm, "shared_block": False}
    network, table = build("prenet", **shape), random_table(**shape)
    rainy = torch.rand(2, 3, 8, 9)
    pixels, taps, gate = 2 * 8 * 9, 9, channels * channels if lstm else 0
    stage = 6 * channels + 4 * 2 * gate + 2 * blocks * channels**2 + 3 * channels
    # The first stage: f whole, the h half of i, g and o. All others: the rainy half of conv0.
    saved = 2 * gate + 3 * gate + (stages - 1) * 3 * channels
    literal = pixels * taps * stages * stage
    forward = pixels * taps * (stages * stage - saved)
    assert _multiply_adds(lambda: literal_prenet(rainy, [table] * stages, blocks)) == literal
    assert _multiply_adds(lambda: network(rainy)) == forward
    # Backwards, as often for the weights and for the inputs, but where the input is the rainy image.
    of_images = pixels * taps * 2 * 3 * channels
    assert _multiply_adds(lambda: network(rainy).sum().backward()) == 3 * forward - of_images
    if lstm:
        assert round(100 * saved / (stages * stage), 1) == percent


def test_forward_leaves_no_state_for_the_next_image(tiny):
    a, b = torch.rand(2, 1, 3, 12, 12)
    alone = tiny(b)
    tiny(a)
    torch.testing.assert_close(tiny(b), alone, rtol=0, atol=0)


def test_samples_of_a_batch_do_not_see_each_other(tiny):
    tiny, batch = tiny.double(), torch.rand(3, 3, 12, 12, dtype=torch.float64)
    singles = torch.cat([tiny(sample[None]) for sample in batch])
    torch.testing.assert_close(tiny(batch), singles, rtol=0, atol=SHARP)


def _refusal(path, network):
    with pytest.raises(UserError) as refused:
        weights.load_into(network, path)
    assert str(path) in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < len(str(path)) + 300
    return str(refused.value)


def _write(path, state):
    if path.suffix == ".pth":
        torch.save(state, path)
    else:
        save_file({name: np.ascontiguousarray(weight.numpy()) for name, weight in state.items()}, path)


@pytest.fixture(params=[".pth", ".safetensors"])
def theta(request, tmp_path):
    return tmp_path / f"theta{request.param}"


def test_a_missing_weight_is_refused_by_its_name(theta, tiny):
    _write(theta, {name: weight for name, weight in tiny.state_dict().items() if name != "conv_f.0.bias"})
    assert "conv_f.0.bias" in _refusal(theta, tiny)


def test_an_unknown_weight_is_refused_by_its_name(theta, tiny):
    _write(theta, tiny.state_dict() | {"conv_x.0.bias": torch.zeros(4)})
    assert "conv_x.0.bias" in _refusal(theta, tiny)


def test_a_weight_of_another_shape_is_refused_by_its_name(theta, tiny):
    _write(theta, tiny.state_dict() | {"conv.0.weight": torch.zeros(3, 5, 3, 3)})
    assert "conv.0.weight" in _refusal(theta, tiny)


def test_a_truncated_file_is_refused(theta, tiny):
    _write(theta, tiny.state_dict())
    theta.write_bytes(theta.read_bytes()[:-1000])
    _refusal(theta, tiny)


def _flipped_bits(content):
    content[-1] ^= 0x40  # the number stays finite
    return content


def _other_metadata(content):
    return content.replace(rb"\"stages\": 2", rb"\"stages\": 1")


@pytest.mark.parametrize("change", [_flipped_bits, _other_metadata])
def test_weights_of_this_workflow_that_were_changed_are_refused(change, tmp_path, tiny):
    """The file holds its own digest; as safetensors it is still valid."""
    path = tmp_path / "theta.safetensors"
    tensors.write(path, weights.of_network(tiny), {"network": {"stages": 2}})
    weights.load_into(tiny, path)
    before = path.read_bytes()
    path.write_bytes(change(bytearray(before)))
    assert path.read_bytes() != before
    said = f"{path}: cannot be read as safetensors (damaged, or changed after it was written)"
    assert _refusal(path, tiny) == said


def test_an_empty_file_is_refused(theta, tiny):
    theta.write_bytes(b"")
    assert "()" not in _refusal(theta, tiny)  # the error of an empty .pth file says nothing


def test_a_missing_file_is_refused(theta, tiny):
    _refusal(theta, tiny)


def _prefixed(prefix, state):
    return {f"{prefix}{name}": weight for name, weight in state.items()}


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: {"params": state},
        lambda state: {"params": {name: weight * 0 for name, weight in state.items()}, "params_ema": state},
        lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-3}]}},
        lambda state: {"model": state},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {"net": state, "step": 3},
        lambda state: _prefixed("module.", state),
        lambda state: {"epoch": 3, "state_dict": _prefixed("module.", state)},
        lambda state: {"state_dict": _prefixed("net.", state), "pytorch-lightning_version": "2.0"},
        lambda state: {"state_dict": _prefixed("model.module.", state)},
    ],
)
def test_checkpoints_of_other_training_loops_are_loaded(wrapped, tmp_path, tiny):
    state = {name: torch.rand_like(weight) for name, weight in tiny.state_dict().items()}
    torch.save(wrapped(state), tmp_path / "theta.pth")
    weights.load_into(tiny, tmp_path / "theta.pth")
    assert all(torch.equal(weight, state[name]) for name, weight in tiny.state_dict().items())


@pytest.mark.parametrize(
    ("wrapped", "said"),
    [
        (
            lambda state: {"weights": state},
            "is no state dict, a table of tensors by name, and has none under state_dict",
        ),
        (lambda state: {"model": [1]}, "is no state dict"),
        (lambda state: {"state_dict": state | {"loss.weight": torch.zeros(1)}}, "loss.weight is unknown"),
        (lambda state: _prefixed("module", state), "is missing"),  # no dot
        (lambda state: dict(list(_prefixed("module.", state).items())[1:]), "is missing"),
        (lambda state: _prefixed("a.", dict(list(state.items())[:3])) | dict(list(state.items())[3:]), "is unknown"),
    ],
)
def test_other_tables_of_tensors_are_refused_in_one_line(wrapped, said, tmp_path, tiny):
    torch.save(wrapped(tiny.state_dict()), tmp_path / "theta.pth")
    with pytest.raises(UserError) as refused:
        weights.load_into(tiny, tmp_path / "theta.pth")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_table_that_holds_itself_is_refused(tmp_path, tiny):
    table = {"model": {}}
    table["model"]["model"] = table
    torch.save(table, tmp_path / "theta.pth")
    with pytest.raises(UserError, match="is no state dict"):
        weights.load_into(tiny, tmp_path / "theta.pth")


def test_a_pth_that_is_no_state_dict_is_refused(tmp_path, tiny):
    for name, content in {"list": [1, 2], "tensor": torch.zeros(3), "numbers": {"conv0.0.weight": 3}}.items():
        torch.save(content, tmp_path / f"{name}.pth")
        _refusal(tmp_path / f"{name}.pth", tiny)


# --- tensors that are no weights


def _refused_tensor(path, tiny, change):
    """The refusal of a file in which one tensor is another; `change` of one that stays in the file alone."""
    torch.save(tiny.state_dict() | {"conv.0.bias": change(tiny.state_dict()["conv.0.bias"])}, path)
    before = {name: weight.clone() for name, weight in tiny.state_dict().items()}
    text = _refusal(path, tiny)
    assert "conv.0.bias" in text
    assert all(torch.equal(weight, before[name]) for name, weight in tiny.state_dict().items())
    return text


TYPES = ("int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "float8_e4m3fn", "float8_e5m2")


@pytest.mark.parametrize("name", TYPES)
def test_a_type_that_is_no_float_of_16_bits_or_more_is_refused_by_its_name(name, tmp_path, tiny):
    assert f"is {name}," in _refused_tensor(tmp_path / "theta.pth", tiny, lambda t: t.to(getattr(torch, name)))
    state = {key: weight.to(getattr(torch, name)).contiguous() for key, weight in tiny.state_dict().items()}
    save_torch(state, tmp_path / "theta.safetensors")
    assert f"is {name}," in _refusal(tmp_path / "theta.safetensors", tiny)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39])
def test_a_single_number_that_is_not_finite_in_float32_is_refused(value, tmp_path, tiny):
    def with_one(tensor):
        return torch.cat([tensor[:-1].double(), torch.tensor([value], dtype=torch.float64)])

    assert "not finite" in _refused_tensor(tmp_path / "theta.pth", tiny, with_one)
    state = tiny.state_dict() | {"conv.0.bias": with_one(tiny.state_dict()["conv.0.bias"])}
    save_torch(state, tmp_path / "theta.safetensors")
    assert "not finite" in _refusal(tmp_path / "theta.safetensors", tiny)


def test_tensors_without_values_and_sparse_ones_are_refused(tmp_path, tiny):
    assert "meta" in _refused_tensor(tmp_path / "theta.pth", tiny, lambda t: t.to("meta"))
    assert "sparse" in _refused_tensor(tmp_path / "theta.pth", tiny, lambda t: t.to_sparse())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", ["float16", "bfloat16", "float64"])
def test_other_floats_are_loaded_as_the_nearest_float32(name, suffix, tmp_path, tiny):
    state = {key: weight.to(getattr(torch, name)) for key, weight in tiny.state_dict().items()}
    (torch.save if suffix == ".pth" else save_torch)(state, tmp_path / f"theta{suffix}")
    weights.load_into(tiny, tmp_path / f"theta{suffix}")
    assert all(torch.equal(weight, state[key].float()) for key, weight in tiny.state_dict().items())


@pytest.mark.parametrize("name", ["\x1b[31mred", "two\nlines", "\u202eback", "x" * 10_000, 3])
def test_names_of_tensors_reach_the_terminal_in_one_printable_line(name, tmp_path, tiny):
    path = tmp_path / "theta.pth"
    torch.save(tiny.state_dict() | {name: torch.zeros(1)}, path)
    assert _refusal(path, tiny).isprintable()


def test_a_path_with_control_characters_is_told_in_one_printable_line(tmp_path, tiny):
    with pytest.raises(UserError) as refused:
        weights.load_into(tiny, tmp_path / "a\x1b[31m\nb.pth")
    assert str(refused.value).isprintable()


class _Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_a_pickle_with_code_is_refused_and_its_code_not_run(save, tmp_path, tiny):
    sprung = tmp_path / "sprung"
    save({"conv0.0.weight": _Trap(sprung)}, tmp_path / "trap.pth")
    message = _refusal(tmp_path / "trap.pth", tiny)
    assert not sprung.exists()
    assert "weights_only=False" not in message  # torch's advice to run the code after all


def test_network_on_is_a_pure_function_of_the_seed_and_takes_its_thread_count_from_the_argument():
    section = {"backbone": "prenet", "stages": 1, "channels": 4, "blocks": 1}
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(network_on("cpu", section, 2).state_dict())
        assert torch.get_num_threads() == 2
    same, other = (all(torch.equal(states[0][k], s[k]) for k in s) for s in states[1:])
    assert same
    assert not other
