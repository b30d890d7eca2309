"""An ingredient that carries state, added to a copy of the repository in as few places as there are: its module
and that of the state, its sections of the config and a row of the table. It goes through plan, training, page and
reruns.
"""

import copy
import csv
import json
import re
import shutil

import numpy as np
import pytest
from commandline import derain, planned, snakemake
from derain.files import tensors
from places import REPOSITORY
from trees import write_pairs

pytestmark = pytest.mark.slow

MODULE = '''"""The pull towards a mean of all earlier θ: ½‖θ − mean‖²."""

import torch


def term(network, state, seed, *, strength):
    """Strength · ½‖θ − mean‖². state: the mean by name."""
    mean = {name: torch.from_numpy(array) for name, array in state.items()}
    return lambda moving, seen: strength * sum(
        0.5 * (theta - mean[name]).square().sum() for name, theta in moving.named_parameters()
    )
'''
STATE = '''"""A mean of all earlier θ."""


def state(samplers, past, theta, *, weight):
    """The mean of the earlier mean and `weight` · θ."""
    return {name: (past[name] + weight * part) / (1 + weight) if past else part for name, part in theta.items()}
'''
KIND = '''class Centre(StateSection):
    """A mean of θ over stages."""

    weight: float = 1.0


class Centring(MethodSection):
    """A pull towards the mean of all earlier θ."""

    KIND = "mean"

    mean: str
    strength: Strength


'''
ROW = """    Ingredient(
        "centring",
        "derain.method.centre",
        "distance from the centre",
        State("centre", "centres", sees_theta=True, module="derain.method.mean"),
    ),
"""
WITHOUT = {
    "device": "cpu",
    "orders": [["a", "b", "c"]],
    "datasets": {name: {"layout": "rain-norain", "root": f"data/{name}"} for name in "abc"},
    "networks": {"net": {"backbone": "prenet", "stages": 1, "channels": 2, "blocks": 1}},
    "training": {"steps": 2, "batch": 2, "patch": 16, "warmup": 0},
    "methods": {"finetune": {}},
    "evaluation": {"previews": 1},
}
PULL = {"centring": {"mean": "plain", "strength": 100.0}}
WITH = WITHOUT | {"centres": {"plain": {}}, "methods": {"finetune": {}, "pulled": PULL}}


def _replaced(path, old, new):
    source = path.read_text(encoding="utf-8")
    assert source.count(old) == 1
    path.write_text(source.replace(old, new), encoding="utf-8")


def add_ingredient(repository):
    library = repository / "scripts/derain"
    (library / "method/centre.py").write_text(MODULE, encoding="utf-8")
    (library / "method/mean.py").write_text(STATE, encoding="utf-8")
    sections = library / "config/methods.py"
    _replaced(sections, "class Search(Section):", f"{KIND}class Search(Section):")
    _replaced(
        sections,
        "    search: Search | None = Field(",
        "    centring: Centring | None = None\n    search: Search | None = Field(",
    )
    _replaced(
        sections,
        "    memories: dict[str, Memory] = Field(",
        "    centres: dict[str, Centre] = Field(default_factory=dict)\n    memories: dict[str, Memory] = Field(",
    )
    table = library / "method/ingredients.py"
    source = table.read_text(encoding="utf-8")
    assert source.count("\n)\n") == 1
    table.write_text(source.replace("\n)\n", f"\n{ROW})\n"), encoding="utf-8")


def _theta(folder, stage, file="theta"):
    return tensors.read(folder / f"results/stages/net/seed0/{stage}/{file}.safetensors")[0]


def _equal(some, others):
    return all(np.array_equal(some[name], others[name]) for name in some)


def test_an_ingredient_with_state_goes_through_plan_training_page_and_reruns(tmp_path):
    repository, folder = tmp_path / "repository", tmp_path / "run"
    skipped = shutil.ignore_patterns(".*", "__pycache__", "results", "tests", "benchmarks")
    shutil.copytree(REPOSITORY, repository, ignore=skipped)
    for number, name in enumerate("abc"):
        write_pairs(folder / "data" / name / "train", range(100 * number, 100 * number + 3))
        write_pairs(folder / "data" / name / "test", [100 * number + 50])

    def run(config, *more):
        done = snakemake(folder, config, *more, repository=repository)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    run(WITHOUT)
    add_ingredient(repository)
    assert planned(run(WITHOUT, "-n")) == []  # nothing of it concerns who does not use it

    # Plan and training: the states are the means, and they move θ.
    run(WITH)
    of_first, second, third = (_theta(folder, stage) for stage in ("first/a", "pulled/a/b", "pulled/a/b/c"))
    assert _equal(_theta(folder, "first/a", "centre-plain"), of_first)
    mean = _theta(folder, "pulled/a/b", "centre")
    for name, part in mean.items():
        np.testing.assert_allclose(part, (of_first[name] + second[name]) / 2, rtol=1e-6)
    for stage, found in {"a/b": second, "a/b/c": third}.items():
        assert not _equal(found, _theta(folder, f"finetune/{stage}"))
    table = folder / "results/stages/net/seed0/pulled/a/b/training.csv"
    with table.open(newline="", encoding="utf-8") as file:
        assert float(list(csv.DictReader(file))[-1]["centring"]) > 0

    # Page: its column is drawn, under its title.
    page = (folder / "results/report.html").read_text(encoding="utf-8")
    assert "distance from the centre" in page
    assert re.search(r"centring", page)

    # Faults of its sections are told as those of others are.
    wrong = copy.deepcopy(WITH)
    wrong["methods"]["pulled"]["centring"]["mean"] = "plane"
    refused = snakemake(folder, wrong, "-n", repository=repository)
    assert "config: methods.pulled.centring.mean: no centre is called 'plane'; did you mean 'plain'?" in refused.stderr

    # Reruns: its formula decides the stages of its method from the second on, and what follows from them.
    _replaced(repository / "scripts/derain/method/centre.py", "0.5 *", "0.7 *")
    jobs = {job for job in planned(run(WITH, "-n")) if re.match(r"(first|next|state|candidate|joint|evaluate)", job)}
    of_stages = {
        "next stages/net/seed0/pulled/{}/theta.safetensors",
        "evaluate stages/net/seed0/pulled/{}/scores/all.csv",
    }
    assert jobs == {
        *(job.format(stage) for job in of_stages for stage in ("a/b", "a/b/c")),
        "state stages/net/seed0/pulled/a/b/centre.safetensors",
    }
    why = derain("why", folder, WITH, repository=repository).stdout
    assert re.search(r"because code of derain\.method\.centre:\n    next \(2\)", why), why

    # And a key of its kind of state decides the state.
    heavier = json.loads(json.dumps(WITH))
    heavier["centres"]["plain"]["weight"] = 2.0
    assert "state stages/net/seed0/first/a/centre-plain.safetensors" in planned(run(heavier, "-n"))
