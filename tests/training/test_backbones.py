"""NR with each further backbone, and with a class of the user's own, through the jobs of its two stages, in this
process.
"""

import numpy as np
import pytest
import torch
from derain.config import experiment as config
from derain.files import tensors
from derain.networks import build
from derain.networks.weights import load_into
from derain.plan.plan import Plan
from derain.training.job import Job
from derain.training.network import network_on, section_of
from entry import Files, Wildcards, run_script
from places import REPOSITORY

pytestmark = pytest.mark.numerical

RAIN = {"angle": [0, 10], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.3]}
NETWORKS = {
    "nafnet": {"backbone": "nafnet", "width": 4, "encoder": [1, 1], "decoder": [1, 1]},
    "restormer": {"backbone": "restormer", "width": 4, "heads": [1, 2, 2, 4]},
    "own": {"backbone": f"{REPOSITORY}/tests/frozen_network.py:Network", "options": {"channels": 4}},
}
LARGER = ("nafnet", "restormer")
BUFFERS = {"scale", "used", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}  # of the last
FIRST, SECOND = "net/seed0/first/a", "net/seed0/nr/a/b"


class Jobs:
    """The jobs of an experiment of NR on two datasets. Each writes its files into `folder`."""

    def __init__(self, network, folder, **training):
        self.experiment = config.read_experiment(
            {
                "device": "cpu",
                "orders": [["a", "b"]],
                "datasets": {name: {"layout": "rendered", "rain": RAIN} for name in "ab"},
                "networks": {"net": network},
                "training": {"steps": 4, "batch": 2, "patch": 16, "loss": "l1", "warmup": 0, "log_every": 1} | training,
                "importances": {"gradient": {"patches": 4, "shards": 2}},
                "methods": {
                    "nr": {
                        "penalty": {"importance": "gradient", "strength": 0.1},
                        "distillation": {"strength": 0.5, "rain": [0.5, 2]},
                    }
                },
            }
        )
        self.plan, self.folder = Plan(self.experiment), folder

    def build(self):
        """A network, initialised from torch's seed."""
        recipe = self.plan.theta.planned(Wildcards(stage=FIRST)).recipe
        return build(**section_of(recipe, self.experiment.model_dump(mode="json")))

    def file(self, name):
        return str(self.folder / name)

    def _run(self, script, recipe, inputs, output, params=(), **more):
        common = {"config": self.experiment.model_dump(mode="json"), "log": [self.file("log")]}
        stores = {} if "shards" in inputs else {"tables": ["t"], "pixels": ["p"]}
        arguments = Files({"recipe": recipe, **dict(params)})
        run_script(script, input=Files(inputs | stores), output=output, params=arguments, **common, **more)

    def first(self):
        """θ of the first stage."""
        recipe = self.plan.theta.recipe(Wildcards(stage=FIRST))
        output = Files(theta=self.file("first.safetensors"), table=self.file("first.csv"))
        self._run("first", recipe, {}, output, {"weights": None})
        return output.theta

    def omega(self, theta):
        """Ω at θ, of two shards."""
        recipe = self.plan.importance_shard.recipe(Wildcards(stage=FIRST, importance="gradient", shard="0"))
        shards = [self.file(f"shard{shard}.safetensors") for shard in "01"]
        for shard, file in zip("01", shards, strict=True):
            self._run("importance_shard", recipe, {"theta": theta}, [file], wildcards=Wildcards(shard=shard))
        self._run("importance", recipe, {"shards": shards}, [self.file("omega.safetensors")])
        return self.file("omega.safetensors")

    def second(self, name, theta, omega, **resources):
        """θ of the second stage."""
        recipe = self.plan.theta.recipe(Wildcards(stage=SECOND))
        output = Files(theta=self.file(f"{name}/theta.safetensors"), table=self.file(f"{name}/training.csv"))
        (self.folder / name).mkdir(exist_ok=True)
        self._run("next", recipe, {"theta": theta, "omega": omega}, output, resources=resources)
        return self.folder / name / "theta.safetensors"


@pytest.mark.parametrize(
    ("backbone", "precision"),
    [
        *((backbone, "float32") for backbone in NETWORKS),
        ("own", "bfloat16"),
        *(pytest.param(backbone, "bfloat16", marks=pytest.mark.slow) for backbone in LARGER),
    ],
)
def test_both_stages_of_nr_run_and_an_interrupted_one_ends_with_the_same_bytes(
    backbone, precision, pairs, tmp_path, monkeypatch
):
    monkeypatch.setattr(Job, "pairs", lambda job, split: pairs)
    jobs = Jobs(NETWORKS[backbone], tmp_path, precision=precision)
    theta = jobs.first()
    omega = jobs.omega(theta)

    network = jobs.build()
    start, expected, weights = tensors.read(theta)[0], network.state_dict(), dict(network.named_parameters())
    importance, _ = tensors.read(omega)
    buffers = BUFFERS if backbone == "own" else set()
    assert start.keys() == expected.keys() == weights.keys() | buffers
    assert importance.keys() == tensors.parameters(theta).keys() == weights.keys()
    for name in buffers:
        assert start[name].shape == tuple(expected[name].shape), name
    for name, weight in weights.items():
        assert start[name].shape == importance[name].shape == tuple(weight.shape), name
        assert np.isfinite(importance[name]).all(), name
        assert importance[name].any(), name

    whole = jobs.second("whole", theta, omega)
    columns, *rows = (line.split(",") for line in (tmp_path / "whole/training.csv").read_text().splitlines())
    told = [dict(zip(columns, row, strict=True)) for row in rows]
    assert {"penalty", "distillation"} <= set(columns)
    assert float(told[-1]["penalty"]) > 0
    assert float(told[-1]["distillation"]) != float(told[0]["distillation"])
    end, _ = tensors.read(whole)
    assert all((end[name] != start[name]).any() for name in weights)
    assert all((end[name] == start[name]).all() for name in buffers)

    attempts = 0
    while not (tmp_path / "cut/theta.safetensors").exists():
        attempts += 1
        assert attempts <= 4
        try:
            jobs.second("cut", theta, omega, runtime=0.0001)  # no time at all: a step an attempt
        except SystemExit as ended:
            assert ended.code == 1
    assert attempts == 4
    assert (tmp_path / "cut/theta.safetensors").read_bytes() == whole.read_bytes()


def test_every_job_has_the_network_in_the_mode_in_which_it_is_scored(pairs, tmp_path, monkeypatch):
    """A class may freeze layers in train(), which its constructor does not call."""
    monkeypatch.setattr(Job, "pairs", lambda job, split: pairs)
    jobs = Jobs(NETWORKS["own"], tmp_path)
    theta = jobs.first()
    scored = jobs.build()
    load_into(scored, theta)
    scored.eval()
    recipe = jobs.plan.theta.planned(Wildcards(stage=FIRST)).recipe
    made = network_on("cpu", section_of(recipe, jobs.experiment.model_dump(mode="json")), 1, theta)
    assert not any(module.training for module in made.modules())
    rainy = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(made(rainy), scored(rainy))


@pytest.mark.usefixtures("no_process_group_left")
@pytest.mark.parametrize("backbone", ["own", *(pytest.param(name, marks=pytest.mark.slow) for name in LARGER)])
def test_two_processes_give_the_bytes_of_one(backbone, pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(Job, "pairs", lambda job, split: pairs)
    found = []
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        folder.mkdir()
        jobs = Jobs(NETWORKS[backbone], folder, parts=2, devices=devices)
        theta = jobs.first()
        omega = jobs.omega(theta)
        found.append([tensors.read(file)[0] for file in (theta, omega, jobs.second("whole", theta, omega))])
    for one, two in zip(*found, strict=True):
        for name in one:
            np.testing.assert_array_equal(two[name], one[name], err_msg=name)


@pytest.mark.parametrize("backbone", NETWORKS)
def test_training_brings_the_loss_down(backbone, images, tmp_path):
    network = Jobs(NETWORKS[backbone], tmp_path).build()
    rainy, clean = images(2, side=16, dtype=torch.float32)
    optimizer, losses = torch.optim.Adam(network.parameters(), lr=3e-3), []
    for _ in range(30):
        optimizer.zero_grad()
        loss = (network(rainy) - clean).abs().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
