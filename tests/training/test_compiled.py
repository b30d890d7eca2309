"""Optimisers without torch's compiler: the numbers of torch's own classes, and the compiler is not imported."""

import subprocess
import sys
import textwrap

import pytest
import torch
from derain.training.compiled import as_written
from derain.training.loop import OPTIMIZERS
from places import REPOSITORY
from torch.optim.lr_scheduler import LambdaLR


def _trained(kind, steps, state=None):
    torch.manual_seed(0)
    network = torch.nn.Linear(5, 3)
    optimizer = kind(network.parameters(), lr=0.1)
    schedule = LambdaLR(optimizer, lambda step: 1 / (step + 1))
    for step in range(steps):
        optimizer.zero_grad(set_to_none=True)
        network(torch.full((2, 5), 1.0 + step)).square().sum().backward()
        optimizer.step()
        schedule.step()
        if step == 1:
            optimizer.load_state_dict(optimizer.state_dict())
    return network.weight.detach(), optimizer.state_dict()


@pytest.mark.numerical
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_an_optimiser_as_written_trains_like_its_class(name):
    of_torch = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[name]
    (theta, state), (expected, expected_state) = _trained(OPTIMIZERS[name], 5), _trained(of_torch, 5)
    assert torch.equal(theta, expected) and not torch.equal(theta, _trained(of_torch, 4)[0])
    assert theta.requires_grad is False and state["param_groups"] == expected_state["param_groups"]
    for old, new in zip(state["state"].values(), expected_state["state"].values(), strict=True):
        assert {key: torch.equal(old[key], new[key]) for key in new} == dict.fromkeys(old, True)


def test_a_closure_has_gradients():
    value = torch.nn.Parameter(torch.ones(1))
    optimizer = as_written(torch.optim.SGD)([value], lr=0.5)

    def closure():
        optimizer.zero_grad()
        value.square().sum().backward()
        return value.item()

    assert optimizer.step(closure) == 1 and value.item() == 0 and value.requires_grad


def test_a_training_does_not_import_the_compiler():
    code = """
        import sys, torch
        from derain.config.training import Training
        from derain.training.loop import train

        network = torch.nn.Conv2d(3, 3, 1)
        batch = (torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16))
        for optimizer in ("adam", "adamw", "sgd"):
            recipe = Training(steps=2, batch=2, patch=16, warmup=0, optimizer=optimizer)
            assert len(list(train(network, [batch, batch], recipe, {}))) == 2
        sys.exit("torch._dynamo" in sys.modules)
    """
    environment = {"PYTHONPATH": str(REPOSITORY / "scripts"), "PATH": ""}
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
