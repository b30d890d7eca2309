"""The job that blends the θ of a training with that of the stage before: fixed or chosen shares, and their table."""

import csv
import math

import numpy as np
import pytest
from derain.evaluation.restoring import clamped_output
from derain.files import tensors
from derain.files.digest import file_digest
from derain.files.metadata import BUFFERS, metadata
from derain.networks import build, weights
from entry import Files, run_script
from tiny import TINY

pytestmark = pytest.mark.numerical


@pytest.fixture
def blend(tmp_path, monkeypatch):
    """Run the job with these options of its recipe: its table, θ, and the thetas that it was made from."""
    rng = np.random.default_rng(1)
    clean = rng.integers(0, 200, (24, 20, 3), np.uint8)
    images = [(clean + rng.integers(0, 50, (24, 20, 1), np.uint8), clean)]
    opened = []

    def store(stores, split):
        opened.append(([*stores], split))
        return images

    monkeypatch.setattr("derain.data.store.PackedPairs", store)
    network = build(**TINY)
    good = {name: array.copy() for name, array in weights.of_network(network).items()}
    # Small weights return the rainy image nearly unchanged; larger ones, up to these, happen to be nearer to the clean.
    thetas = {
        "theta": {name: np.float32(0.01) * array for name, array in good.items()},
        "trained": {name: np.float32(0.9) * array for name, array in good.items()},
    }
    files = {name: tmp_path / f"{name}.safetensors" for name in thetas}
    for name, theta in thetas.items():
        tensors.write(files[name], theta, {})
    table = tmp_path / "trained.csv"
    table.write_text("step\n1\n", encoding="utf-8")

    def run(**options):
        recipe = {"code": {}, "datasets": {"b": "digest"}, "network": TINY, "threads": 1} | options
        made = {name: tmp_path / "stage" / file for name, file in
                {"theta": "theta.safetensors", "table": "training.csv", "choice": "blend.csv"}.items()}  # fmt: skip
        made["theta"].parent.mkdir(exist_ok=True)
        run_script(
            "blend",
            input=Files({**files, "training": table, "tables": ["t"], "pixels": ["p"]}),
            output=Files(made),
            params=Files(recipe=recipe),
            config={"device": "cpu", "local_scratch": None},
            log=[str(tmp_path / "log")],
        )
        assert opened[-1] == ([("t", "p", "digest")], "validation")
        assert made["table"].read_bytes() == table.read_bytes()
        told = metadata(made["theta"])
        assert told["parents"] == {name: file_digest(file) for name, file in files.items()}
        assert told["alphas"] == options["alphas"]
        with made["choice"].open(encoding="utf-8") as file:
            return list(csv.DictReader(file)), tensors.read(made["theta"])[0]

    run.thetas, run.files, run.image = thetas, files, images[0]
    return run


def test_buffers_are_no_part_of_the_move(blend):
    buffer = next(iter(blend.thetas["trained"]))
    blend.thetas["trained"][buffer] = 3 * blend.thetas["trained"][buffer]
    for name, theta in blend.thetas.items():
        tensors.write(blend.files[name], theta, {BUFFERS: [buffer]})
    rows, _ = blend(alphas=[0.5])
    assert [float(row["relative_move"]) for row in rows] == pytest.approx([89, 44.5], rel=1e-4)


def _mean(thetas, alpha):
    return {
        name: ((1 - alpha) * thetas["theta"][name].astype(float) + alpha * after.astype(float)).astype(np.float32)
        for name, after in thetas["trained"].items()
    }


def _psnr(theta, image, tmp_path):
    network = build(**TINY)
    tensors.write(tmp_path / "of.safetensors", theta, {})
    weights.load_into(network, tmp_path / "of.safetensors")
    rainy, clean = image
    output = np.rint(clamped_output(network, rainy).astype(float) * 255)
    return 10 * math.log10(255**2 / np.mean((output - clean) ** 2))


def test_a_given_share_is_taken_whatever_it_scores_and_the_scores_are_of_the_blends(blend, tmp_path):
    rows, theta = blend(alphas=[0.25])
    assert [float(row["alpha"]) for row in rows] == [1, 0.25]
    assert [row["chosen"] for row in rows] == ["False", "True"]
    expected = _mean(blend.thetas, 0.25)
    assert all(np.array_equal(theta[name], expected[name]) for name in expected)
    for row in rows:
        of_blend = _mean(blend.thetas, float(row["alpha"]))
        assert float(row["validation_psnr_rgb_db"]) == pytest.approx(_psnr(of_blend, blend.image, tmp_path), abs=1e-6)
    rainy, clean = (side.astype(float) for side in blend.image)
    assert float(rows[0]["rainy_psnr_rgb_db"]) == pytest.approx(10 * math.log10(255**2 / np.mean((rainy - clean) ** 2)))


def test_of_several_shares_the_smallest_that_keeps_its_part_of_the_gain_is_chosen(blend):
    alphas, taken = [0.6, 0.3, 0.9], []
    for give_up in (0, 0.3, 0.6, 0.99):
        rows, theta = blend(alphas=alphas, give_up=give_up)
        psnr = {float(row["alpha"]): float(row["validation_psnr_rgb_db"]) for row in rows}
        wanted = psnr[1] - give_up * max(0, psnr[1] - float(rows[0]["rainy_psnr_rgb_db"]))
        best = min(alpha for alpha in psnr if psnr[alpha] >= wanted)
        assert [float(row["alpha"]) for row in rows if row["chosen"] == "True"] == [best]
        taken.append(best)
        expected = _mean(blend.thetas, best)
        assert all(np.array_equal(theta[name], expected[name]) for name in expected)
    assert taken == sorted(taken, reverse=True)
    assert len(set(taken)) > 2
