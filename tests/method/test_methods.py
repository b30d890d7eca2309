"""Every method, as configured and as its jobs make it, against formulas that are written down here.

The formulas are those of docs/explanation/method.md.

The jobs compute in float64, so that what a formula gives is told from what rounding gives.
"""

import copy
import math
import re
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest
import torch
import yaml
from derain.config import experiment as config
from derain.data.patches import PatchSampler
from derain.files import tensors
from derain.method.distillation import STREAM as DISTILLATION
from derain.method.losses import LOSSES
from derain.method.step import Seen
from derain.networks import weights
from derain.plan.plan import Plan
from derain.plan.recipes import TrainingRecipe
from derain.training.importance import importance_sum
from derain.training.ingredients import batches, terms
from derain.training.job import Job
from derain.training.loop import train
from derain.training.streams import IMPORTANCE, STATE, TRAINING
from entry import Files, Wildcards, run_script
from literal import literal_prenet
from places import REPOSITORY
from precision import SHARP, UNIT64, InFloat64, assert_stored, jobs_in_float64, of_roundings
from torch.nn.functional import conv2d

pytestmark = pytest.mark.numerical

SGD = {"optimizer": "sgd", "learning_rate": 0.1, "schedule": "constant", "warmup": 0}
STAGES, BLOCKS, BATCH, PATCHES = 2, 1, 2, 6
RAIN = {"angle": [0, 10], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.3]}


def _rivals():
    """The methods that config.yaml offers for copying, and the importances that it says they need."""
    text = (REPOSITORY / "config.yaml").read_text(encoding="utf-8").partition("# Rivals")[2]
    methods, importances = {}, {}
    for name, method, importance in re.findall(r"^#   (\w+): +(\{.*?\}) *(?:# (.*))?$", text, re.MULTILINE):
        methods[name] = yaml.safe_load(method)
        if importance.startswith("{"):
            importances[methods[name]["penalty"]["importance"]] = yaml.safe_load(importance)
    return methods, importances


def _experiment():
    """The default's methods and all rivals on a tiny network."""
    default = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    methods, importances = _rivals()
    fisher_of_batches = {"penalty": methods["ewc"]["penalty"] | {"importance": "fisher-of-batches"}}
    importances = default["importances"] | importances | {"fisher-of-batches": {"power": "squared", "per": "batch"}}
    return config.read_experiment(
        {
            "device": "cpu",
            "orders": [["a", "b"]],
            "datasets": {name: {"layout": "rendered", "rain": RAIN} for name in "ab"},
            "networks": {"net": {"backbone": "prenet", "stages": STAGES, "channels": 4, "blocks": BLOCKS}},
            "training": {"steps": 4, "batch": BATCH, "patch": 16} | SGD,
            "importances": {
                name: {**section, "patches": PATCHES, "shards": 2} for name, section in importances.items()
            },
            "intensities": {"rain": {"patches": 7}},
            "memories": {"rain": {"patches": 6}, "pairs": {"keep": "pairs", "patches": 6}},
            "methods": {
                **default["methods"],
                **methods,
                "ewc-batch": fisher_of_batches,
                "nr-rain": default["methods"]["nr"] | methods["rain"],
            },
        }
    )


EXPERIMENT = _experiment()
METHODS = list(EXPERIMENT.methods)


def test_all_methods_of_the_field_are_there_by_configuration_alone():
    assert set(METHODS) == {
        "finetune",
        "nr",
        "nr-rain",
        "ewc",
        "ewc-batch",
        "mas",
        "pigwm",
        "lwf",
        "as_old",
        "l2",
        "rain",
        "replay",
    }


@dataclass
class Stage:
    """What the stage after dataset a, on dataset b, is made from."""

    job: Job
    theta: str
    past: dict[str, str]

    def network(self):
        return self.job.network(self.theta)

    def terms(self, network):
        return terms(self.job, network, self.past)

    def batches(self):
        return batches(self.job, self.past)

    def omega(self):
        """Ω of its file; nothing where the method has none."""
        if "omega" not in self.past:
            return {}
        return {name: torch.from_numpy(part) for name, part in tensors.read(self.past["omega"])[0].items()}


@pytest.fixture
def stage_of(pairs, tiny, tmp_path, monkeypatch):
    """The stage of a method, with Ω or memory from the jobs that the workflow would run for it."""
    monkeypatch.setattr(Job, "pairs", lambda job, split: pairs)
    monkeypatch.setattr("derain.data.store.PackedPairs", lambda stores, split: pairs)
    jobs_in_float64(monkeypatch)
    theta = str(tmp_path / "theta.safetensors")
    tensors.write(theta, weights.of_network(tiny), {})
    plan, settings = Plan(EXPERIMENT), EXPERIMENT.model_dump(mode="json")
    stores = {"tables": ["t"], "pixels": ["p"]}

    def made(method):
        at = Wildcards(stage=f"net/seed0/{method}/a/b")
        past = {}
        if name := EXPERIMENT.kind_of(method, "penalty"):
            recipe = plan.importance_shard.recipe(Wildcards(stage="net/seed0/first/a", importance=name, shard="0"))
            common = {"params": Files(recipe=recipe, entry=""), "config": settings, "log": [None]}
            shards = [str(tmp_path / f"{method}-{shard}.safetensors") for shard in "01"]
            for shard, file in zip("01", shards, strict=True):
                at_shard = Wildcards(shard=shard)
                run_script(
                    "importance_shard", input=Files(stores, theta=theta), output=[file], wildcards=at_shard, **common
                )
            past["omega"] = str(tmp_path / f"{method}-omega.safetensors")
            run_script("importance", input=Files(shards=shards), output=[past["omega"]], **common)
            omega, decided_by = tensors.read(past["omega"])  # the same values, for arithmetic in float64
            tensors.write(past["omega"], {n: part.astype(np.float64) for n, part in omega.items()}, decided_by)
        for ingredient, state in (("distillation", "intensity"), ("memory", "memory")):
            if name := EXPERIMENT.kind_of(method, ingredient):
                first = Wildcards(stage="net/seed0/first/a", state=state, of_kind=f"-{name}")
                recipe = plan.state.recipe(first)
                common = {"params": Files(recipe=recipe), "config": settings, "log": [None]}
                past[state] = str(tmp_path / f"{method}-{state}.safetensors")
                run_script("state", input=Files(stores), output=[past[state]], wildcards=first, **common)
        recipe = TrainingRecipe(**plan.theta.recipe(at))
        return Stage(Job(recipe, ["t"], ["p"], settings, None), theta, past)

    return made


# --- the formulas, on plain tables of weights in float64


def _f(table, rainy):
    return literal_prenet(rainy.double(), [table] * STAGES, BLOCKS)


def _negative_ssim(output, target):
    """−SSIM over all pixels of a batch: a 2-D Gaussian window, zero padding."""
    line = torch.tensor([math.exp(-(u * u) / (2 * 1.5**2)) for u in range(-5, 6)], dtype=torch.float64)
    window = torch.outer(line, line)[None, None] / line.sum() ** 2
    x, y = (image.double().reshape(-1, 1, *image.shape[2:]) for image in (output, target))
    mean = lambda a: conv2d(a, window, padding=5)  # noqa: E731
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    return -((2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))).mean()


def _table(network):
    return {name: w.detach().double().clone().requires_grad_() for name, w in network.named_parameters()}


def _gradient(value, table):
    return dict(zip(table, torch.autograd.grad(value, list(table.values())), strict=True))


def _omega(star, kind, pairs):
    """E of |g| or g² at θⁿ over the patches that the importance draws: of single samples, or of batches."""
    of, power, size = kind
    sampler = PatchSampler(pairs, 16, size, (0, IMPORTANCE, 1))
    draws = [sampler[n] for n in range(PATCHES // size)]
    total = {name: torch.zeros_like(weight) for name, weight in star.items()}
    for rainy, clean in draws:
        output = _f(star, rainy)
        value = _negative_ssim(output, clean) if of == "loss" else (output**2).sum() / output.numel()
        for name, g in _gradient(value, star).items():
            total[name] += (g.abs() if power == 1 else g * g) / len(draws)
    return total


OMEGA = {  # what is differentiated, the power, and how many samples share a gradient
    "nr": ("loss", 1, 1),
    "nr-rain": ("loss", 1, 1),
    "ewc": ("loss", 2, 1),
    "ewc-batch": ("loss", 2, BATCH),
    "mas": ("output", 1, 1),
    "pigwm": ("loss", 1, BATCH),
}


def _added(method, theta, star, omega, seen, pairs):
    """What the method adds to the loss at θ."""
    delta = {name: theta[name] - star[name].detach() for name in theta}
    squares = sum(float((w.detach() ** 2).sum()) for w in star.values())
    rms = math.sqrt(squares / sum(w.numel() for w in star.values()))

    def quadratic(scale):
        return scale / 2 * sum((omega[name] * delta[name] ** 2).sum() for name in delta)

    def teacher(rainy):
        return _negative_ssim(_f(theta, rainy), _f(star, rainy).detach())

    if method in ("nr", "nr-rain"):  # λ ½ Σ Ω̂ Δ̂², Ω̂ = δ Ω, Δ̂ = Δ/δ, and the distillation on clip(B + s (O − B))
        rng = np.random.default_rng((0, DISTILLATION, 2, seen.step))
        s = 5 ** torch.tensor(rng.uniform(-1, 1, BATCH))[:, None, None, None]  # log-uniform in [0.2, 5]
        clean, rain = seen.clean.double(), seen.rainy.double() - seen.clean.double()
        return quadratic(0.1 / rms) + 0.5 * teacher(torch.clip(clean + s * rain, 0, 1))
    if method in ("ewc", "ewc-batch"):  # λ/2 Σ F Δ²
        return quadratic(1000)
    if method == "mas":
        return quadratic(3 / rms)
    if method == "pigwm":  # β/2 S_t + β/2 S_t² of every tensor, |Δ| smoothed
        smooth = {name: torch.sqrt(move**2 + 1e-6) - 1e-3 for name, move in delta.items()}
        bounds = [(omega[name] * smooth[name]).sum() for name in smooth]
        return sum(0.95 / 2 * s + 0.95 / 2 * s**2 for s in bounds)
    if method == "l2":
        return 0.1 / 2 * sum((move**2).sum() for move in delta.values())
    if method == "as_old":  # s such that mean |s (O − B)| is that of an old patch, at most 1
        old_rainy, old_clean = PatchSampler(pairs, 16, 7, (0, STATE, 1))[0]
        old = (old_rainy - old_clean).abs().mean((1, 2, 3))
        drawn = np.random.default_rng((0, DISTILLATION, 2, seen.step)).random((BATCH, 2))[:, 1]
        clean, rain = seen.clean.double(), seen.rainy.double() - seen.clean.double()
        s = torch.stack([old[int(7 * u)] / abs(r).mean() for u, r in zip(drawn, rain, strict=True)]).clamp(max=1)
        return teacher(torch.clip(clean + s[:, None, None, None] * rain, 0, 1))
    assert method == "lwf"
    return teacher(seen.rainy)


def _moved(network):
    moved = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in moved.parameters():
            weight += 0.03 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
    return moved


@pytest.mark.parametrize("method", METHODS)
def test_what_a_method_adds_to_a_step_and_its_gradient_are_those_of_its_formula(method, stage_of, pairs):
    stage = stage_of(method)
    network = stage.network()
    terms = stage.terms(network)
    star, moving = _table(network), _moved(network)
    rainy, clean = InFloat64(PatchSampler(pairs, 16, BATCH, (9,)))[0]
    seen = Seen(3, rainy, clean, moving(rainy))
    if method in ("finetune", "rain", "replay"):
        assert terms == {}
        return
    found = sum(term(moving, seen) for term in terms.values())
    gradients = torch.autograd.grad(found, list(moving.parameters()))

    theta = _table(moving)
    expected = _added(method, theta, star, stage.omega(), seen, pairs)
    assert found.item() == pytest.approx(expected.item(), rel=SHARP)
    for (name, exact), gradient in zip(_gradient(expected, theta).items(), gradients, strict=True):
        assert exact.abs().sum() > 0
        assert (gradient - exact).abs().sum() < SHARP * exact.abs().sum(), name


@pytest.mark.parametrize("method", OMEGA)
def test_the_importance_of_a_method_is_that_of_its_formula(method, stage_of, pairs):
    stage = stage_of(method)
    expected = _omega(_table(stage.network()), OMEGA[method], pairs)
    found = stage.omega()
    assert found.keys() == expected.keys()
    for name, exact in expected.items():
        assert exact.sum() > 0
        assert_stored(found[name], exact)


def _trained(stage, pairs, steps=4):
    network = stage.network()
    terms = stage.terms(network)
    list(train(network, stage.batches(), stage.job.recipe.training, terms))
    return network


@pytest.mark.parametrize("method", METHODS)
def test_only_a_memory_changes_the_batches_of_a_stage_and_it_changes_half_of_each(method, stage_of, pairs):
    found = stage_of(method).batches()[3]
    free = InFloat64(PatchSampler(pairs, 16, BATCH, (0, TRAINING, 2)))[3]
    changed = [n for n in range(BATCH) if not torch.equal(found[0][n], free[0][n])]
    assert changed == ([0] if method in ("nr-rain", "rain", "replay") else [])
    assert torch.equal(found[1], free[1]) == (method != "replay")  # old rain falls on new clean patches


@pytest.mark.parametrize("method", ["nr", "as_old", "ewc", "pigwm"])
def test_theta_after_two_steps_is_that_of_gradient_descent_on_loss_and_formula(method, stage_of, pairs):
    stage = stage_of(method)
    network = stage.network()
    terms, star = stage.terms(network), _table(network)
    recipe, omega = stage.job.recipe.training, stage.omega()
    batches = InFloat64(PatchSampler(pairs, 16, BATCH, (9,)))
    theta, free = _table(network), None
    for _, progress in zip(range(2), train(network, batches, recipe, terms), strict=False):
        rainy, clean = batches[progress.step - 1]
        seen = Seen(progress.step, rainy, clean, None)
        loss = _negative_ssim(_f(theta, rainy), clean)
        gradient = _gradient(loss + _added(method, theta, star, omega, seen, pairs), theta)
        free = _gradient(_negative_ssim(_f(theta, rainy), clean), theta)
        rate = progress.learning_rate
        before, theta = theta, {n: (w - rate * gradient[n]).detach().requires_grad_() for n, w in theta.items()}
    without = {name: before[name] - rate * free[name] for name in theta}
    found = dict(network.named_parameters())
    distance = lambda table: sum(float((found[n] - w).detach().abs().sum()) for n, w in table.items())  # noqa: E731
    rounding = of_roundings(1000, UNIT64) * sum(float(w.detach().abs().sum()) for w in theta.values())
    assert distance(theta) < rounding < 1e-3 * distance(without)  # which is what the method adds


def test_after_a_few_steps_no_two_methods_have_the_same_theta(stage_of, pairs):
    thetas = {
        method: np.concatenate([w.ravel() for w in weights.of_network(_trained(stage_of(method), pairs)).values()])
        for method in METHODS
    }
    assert all(np.isfinite(theta).all() for theta in thetas.values())
    for one, other in combinations(METHODS, 2):
        assert np.abs(thetas[one] - thetas[other]).max() > 1e3 * SHARP * np.abs(thetas[one]).max(), (one, other)


def test_the_importances_of_all_methods_differ(stage_of):
    omegas = {method: tensors.read(stage_of(method).past["omega"])[0] for method in OMEGA}
    flat = {method: np.concatenate([w.ravel() for w in omega.values()]) for method, omega in omegas.items()}
    for one, other in combinations(OMEGA.keys() - {"nr-rain"}, 2):
        assert np.abs(flat[one] - flat[other]).sum() > 1e-3 * flat[one].sum(), (one, other)


@pytest.mark.parametrize("per", ["sample", "batch"])
def test_shards_share_the_summands_of_either_mode(per, stage_of, tiny, pairs):
    """Merged from two shards as written by the jobs: the mean over all of them."""
    method = {"sample": "nr", "batch": "pigwm"}[per]
    found, spec = tensors.read(stage_of(method).past["omega"])
    size = {"sample": 1, "batch": BATCH}[per]
    assert spec["importance"]["per"] == per
    sampler = InFloat64(PatchSampler(pairs, 16, size, (0, IMPORTANCE, 1)))
    batches = [sampler[n] for n in range(PATCHES // size)]
    sums, count = importance_sum(tiny.double(), batches, LOSSES["negative_ssim"])
    assert count == PATCHES // size
    for name, merged in found.items():
        assert_stored(merged, sums[name] / count)
