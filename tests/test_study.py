import runpy
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from derain.config import experiment as config
from PIL import Image
from places import REPOSITORY

STUDY = REPOSITORY / "benchmarks/study"
ORDERS = ("heavy>medium>light>hazy", "hazy>light>medium>heavy")
METHODS = ("finetune", "nr", "rain", "nr_memory")


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Reads an experiment by name, in a folder where its data lie."""
    monkeypatch.chdir(tmp_path)

    def _read(name):
        raw = yaml.safe_load((STUDY / f"{name}.yaml").read_text(encoding="utf-8"))
        for dataset in raw["datasets"].values():
            (tmp_path / dataset["root"]).mkdir(parents=True, exist_ok=True)
        return config.read_experiment(raw)

    return _read


def test_its_experiments_are_good_and_share_what_they_are_to_share(read):
    study, rivals, ablations, accumulation, development, candidates, references = map(
        read, ("study", "rivals", "ablations", "accumulation", "development", "candidates", "references")
    )
    assert [">".join(order) for order in study.orders] == list(ORDERS)
    assert study.methods.keys() >= set(METHODS)
    assert not set(development.scored_datasets) & set(study.scored_datasets)
    assert candidates.datasets.keys() <= development.datasets.keys()  # nothing is tuned on the study's images
    for method in ("finetune", "lwf", "nr", "nr_memory"):
        assert candidates.methods[method] == study.methods[method] == rivals.methods[method]
    assert candidates.methods["add_half"] == study.methods["rain"]
    assert (candidates.datasets, candidates.training) == (references.datasets, references.training)
    assert (candidates.networks, candidates.training) == (study.networks, study.training)
    assert candidates.networks.items() <= references.networks.items()
    assert rivals.datasets.items() <= study.datasets.items()
    for method in ("finetune", "nr", "rain", "rain_half"):
        assert ablations.methods[method] == rivals.methods[method]
    assert accumulation.methods["nr"] == rivals.methods["nr"]
    for part in (ablations, accumulation):
        assert (part.networks, part.training) == (rivals.networks, rivals.training)
        assert part.datasets.items() <= rivals.datasets.items()


def test_a_veil_is_a_mixture_with_the_airlight(tmp_path):
    """O = t·(B + R) + (1 − t)·A: without rain, black and white are t apart, and black is (1 − t)·A."""
    prepare = runpy.run_path(str(STUDY / "prepare.py"))
    black_and_white = np.repeat(np.array([[0], [255]], np.uint8), 3, 1)[None].repeat(40, 0)  # (40, 2, 3)
    Image.fromarray(black_and_white).save(tmp_path / "scene.png")
    (low, high), (dark, bright) = veil = prepare["VEILS"]["hazy"]
    for n in range(4):
        prepare["render"](tmp_path / "scene.png", tmp_path / str(n), [], (n,), veil)
        seen = np.asarray(Image.open(tmp_path / str(n) / "rain/scene.png"))[0, :, 0] / 255
        assert low - 0.005 <= seen[1] - seen[0] <= high + 0.005
        assert dark - 0.02 <= seen[0] / (1 - (seen[1] - seen[0])) <= bright + 0.02
    assert np.array_equal(np.asarray(Image.open(tmp_path / "0/norain/scene.png")), black_and_white)


def test_copies_of_a_background_share_their_split(tmp_path):
    rng = np.random.default_rng(0)
    files = {}
    for n in range(20):
        coarse = Image.fromarray(rng.integers(256, size=(9, 12, 3), dtype=np.uint8))
        photograph = coarse.resize((160, 120), Image.Resampling.BICUBIC)
        for number, copy in ((n, photograph), (n + 20, photograph.crop((1, 0, 160, 120)))):
            files[number] = tmp_path / f"{number}.png"
            copy.save(files[number])
    split = runpy.run_path(str(STUDY / "prepare.py"))["split_by_background"](files)
    assert [split[n] for n in range(20)] == [split[n + 20] for n in range(20)]
    assert [list(split.values()).count(name) for name in ("train", "validation", "test")] == [34, 2, 4]


def _run(folder, averages, lost, behind, above):
    """Tables of a run with three seeds. averages, lost: by method; behind: below fine-tuning on the newest dataset, dB;
    above: of nr, over the chord, which goes from (30, 20) down to (20, 30), old against new, to fine-tuning.
    """
    tables = folder / "results/tables"
    tables.mkdir(parents=True)
    seeds = (0, 1, 2)
    places = [(order, method, seed) for order in ORDERS for method in METHODS for seed in seeds]
    continual = [
        {"method": m, "order": o, "seed": s, "metric": "psnr_y_db", "average": averages[m] + s, "forgetting": lost[m]}
        for o, m, s in places
    ]
    matrix = []
    for order, method, seed in places:
        datasets = order.split(">")
        for stage, learned in enumerate(datasets, start=1):
            new = 30 - behind[method]
            old = 50 - new + (above if method == "nr" else 0)  # on the chord, o + n = 50
            matrix += [
                {"network": "net", "method": method, "order": order, "seed": seed, "stage": stage, "learned": learned}
                | {"dataset": name, "psnr_y_db": new if name == learned else old}
                for name in datasets
            ]
    chord = [
        {"network": "net", "seed": seed, "method": "finetune", "datasets": ">".join(order.split(">")[:n])}
        | {"alpha": alpha, "line": True, "old_psnr_y_db": 30 - 10 * alpha, "new_psnr_y_db": 20 + 10 * alpha}
        for order in ORDERS
        for seed in seeds
        for n in range(2, len(order.split(">")) + 1)
        for alpha in (0, 0.5, 1)
    ]
    others = dict.fromkeys(("psnr_rgb_db", "ssim_y", "ssim_rgb"), 0.5)
    pd.DataFrame(continual).to_csv(tables / "continual.csv", index=False)
    pd.DataFrame(matrix).assign(**others).to_csv(tables / "matrix.csv", index=False)
    pd.DataFrame(chord).to_csv(tables / "chord.csv", index=False)


@pytest.mark.parametrize(
    ("averages", "forgotten", "behind", "above", "failing"),
    [
        ({}, {}, {}, 0.5, []),
        ({"nr": 24.8}, {}, {}, 0.5, ["average"]),
        ({}, {}, {}, 0.2, ["chord"]),
        ({}, {"rain": 1.0}, {}, 0.5, []),  # the other memory is enough
        ({}, {"rain": 1.0, "nr_memory": 1.0}, {}, 0.5, ["a memory"]),
        ({}, {"rain": 1.0}, {"nr_memory": 0.6}, 0.5, ["a memory"]),  # one keeps the newest, the other the old
    ],
)
def test_the_judge_finds_what_does_not_hold(tmp_path, averages, forgotten, behind, above, failing, monkeypatch, capsys):
    of_all = dict.fromkeys(METHODS, 25.0) | {"nr": 26.0} | averages
    lost = dict.fromkeys(METHODS, 2.0) | {"nr": 1.0, "rain": 0.6, "nr_memory": 0.5} | forgotten
    _run(tmp_path, of_all, lost, dict.fromkeys(METHODS, 0.0) | {"nr": 2.0, "nr_memory": 0.4} | behind, above)
    monkeypatch.setattr(sys, "argv", ["judge.py", str(tmp_path)])
    with pytest.raises(SystemExit) as judged:
        runpy.run_path(str(STUDY / "judge.py"), run_name="__main__")
    verdicts = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("holds", "FAILS"))]
    assert len(verdicts) == 6
    failed = [line for line in verdicts if line.startswith("FAILS")]
    assert all(any(word in line for line in failed) for word in failing)
    assert len(failed) == 2 * len(failing)  # in both orders
    assert bool(judged.value.code) == bool(failing)


def test_the_bound_is_how_far_joint_training_is_above_what_was_asked(tmp_path, monkeypatch, capsys):
    """Fine-tuning: 20 → 14 on a, 30 on b. Asked: 29.5 on b, and a third of 6 lost on a, 18."""
    rows = [
        {"network": "net", "method": method, "order": "a>b", "stage": stage, "dataset": dataset, "seed": seed,
         "psnr_y_db": score + shift}
        for method, stage, dataset, score in (
            ("finetune", 1, "a", 20), ("finetune", 2, "a", 14), ("finetune", 2, "b", 30),
            ("joint", 2, "a", 17.5), ("joint", 2, "b", 29.75),
        )
        for seed, shift in ((0, 0), (1, 1))
    ]  # fmt: skip
    (tmp_path / "results/tables").mkdir(parents=True)
    pd.DataFrame(rows).to_csv(tmp_path / "results/tables/matrix.csv", index=False)
    monkeypatch.setattr(sys, "argv", ["bound.py", str(tmp_path)])
    monkeypatch.syspath_prepend(STUDY)
    runpy.run_path(str(STUDY / "bound.py"), run_name="__main__")
    asked, joint = capsys.readouterr().out.splitlines()
    assert asked == "a → b: asked b 30.00, a 18.50"
    assert joint.strip() == "joint, net: b +0.25 (+0.25 to +0.25), a −0.50 (−0.50 to −0.50)"


def test_the_gate_tells_rains_apart_that_differ_in_its_statistics(tmp_path):
    """Of two normal classes with one covariance, no rule errs less than the discriminant (Bayes: Φ(−d/2))."""
    gate = runpy.run_path(str(STUDY / "gate.py"))
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6))
    apart = np.linalg.solve(mixing.T, rng.normal(size=6))
    apart *= 2 / np.linalg.norm(np.linalg.solve(mixing, apart))  # d = 2

    def drawn(n):
        return {name: rng.normal(size=(n, 6)) @ mixing.T + far * apart for name, far in (("a", 0), ("b", 1))}

    chosen = gate["Gate"](drawn(4000))
    errors = np.mean([chosen(image) != name for name, images in drawn(4000).items() for image in images])
    assert abs(errors - 0.1587) < 0.02


def test_statistics_of_the_gate_see_the_direction_of_streaks(tmp_path):
    statistics = runpy.run_path(str(STUDY / "gate.py"))["statistics"]
    stripes = np.tile(np.where(np.arange(32) % 4 < 2, 0, 255).astype(np.uint8)[None, :, None], (24, 1, 3))
    for name, image in (("upright", stripes), ("lying", stripes.transpose(1, 0, 2))):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    upright, lying = (statistics(tmp_path / f"{name}.png") for name in ("upright", "lying"))
    np.testing.assert_allclose(upright[:2], (0.5, 0.5))
    np.testing.assert_allclose(upright[[2, 3]], lying[[3, 2]])
    assert upright[2] > np.log(0.4) and upright[3] < np.log(1e-5)
