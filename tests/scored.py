"""Stages in a results tree without a run: θ, tables of scores, and Snakemake's records of them."""

import json
from base64 import urlsafe_b64encode

import torch
from derain.curriculum import Stage
from derain.engine.outputs import USED_DIGESTS
from derain.files import tensors
from derain.files.digest import file_digest
from derain.networks import build, weights
from derain.plan.recipes import EvaluationRecipe

SMALL = {"backbone": "prenet", "stages": 2, "channels": 4, "blocks": 1, "lstm": True, "shared_block": False}
RECIPE = {
    "code": {"evaluate": "1"}, "network": SMALL, "threads": 1, "rounding": ["nearest"], "ssim": "wang2009",
    "tile": 1024, "previews": 3,
}  # fmt: skip
SCORES = "dataset,image,rounding,psnr_y_db,ssim_y,psnr_rgb_db,ssim_rgb\n"


def network_of(section):
    """A network in evaluation mode that does something."""
    torch.manual_seed(2)
    network = build(**section).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn_like(parameter)  # NAFNet's β and γ start at 0
    return network


def write_stage(run, learned, section=SMALL, **told):
    """Write θ of a stage of method nr. Returns its network and the file of θ. told: more of its metadata."""
    network = network_of(section)
    stage = Stage("net", 3, "nr" if len(learned) > 1 else "first", learned)
    theta = run / stage.file("theta.safetensors")
    (theta.parent / "scores").mkdir(parents=True)
    tensors.write(theta, weights.of_network(network), {"network": section, **told})
    return network, theta


def after(theta):
    """The parents of a stage after a θ, in the metadata of its own."""
    return {"theta": file_digest(theta)}


def write_records(run, theta, *scores, digest=None, pixels="1", ended=0, **settings):
    """Write Snakemake's records of tables of scores that were made from a θ and from the scores of rainy inputs there.
    digest: of θ, by default of the one that is there; pixels: digest of all test images; settings: of the recipe.
    """
    inputs = [theta, *run.glob("results/datasets/*/rainy.csv")]
    used = {str(file.relative_to(run)): [0, file_digest(file)] for file in inputs}
    used |= {str(theta.relative_to(run)): [0, digest]} if digest else {}
    for name in scores:
        file = theta.parent / "scores" / name
        images = dict.fromkeys([line.split(",")[0] for line in file.read_text().splitlines()[1:]], pixels)
        recipe = EvaluationRecipe(**RECIPE | settings, datasets=images).plain()
        record = run / ".snakemake/metadata" / urlsafe_b64encode(str(file.relative_to(run)).encode()).decode()
        record.parent.mkdir(parents=True, exist_ok=True)
        params = ["['a']", repr(recipe)]
        told = {"params": params, "endtime": ended, "input_checksums": {USED_DIGESTS: used}}
        record.write_text(json.dumps(told))


def write_scored(run):
    """Write two stages with scores, and the scores of a rainy input. Returns what `write_stage` does of the second."""
    _, first = write_stage(run, ("a",))
    training = {"steps": 5, "learning_rate": 0.001}
    method = {"penalty": {"form": "squared", "strength": 2.0}}
    told = {"training": training, "method": method, "datasets": {"b": "…"}, "depth": 2, "parents": after(first)}
    network, theta = write_stage(run, ("a", "b"), **told)
    stages = run / "results/stages/net/seed3"
    rows = "a,1,nearest,30,0.9,28,0.8\na,2,nearest,20,0.7,28,0.8\nfar,1,nearest,inf,1,28,0.8\na,1,none,1,0,1,0\n"
    (stages / "first/a/scores/all.csv").write_text(SCORES + rows)
    (stages / "nr/a/b/scores/a.csv").write_text(SCORES + "a,1,nearest,22,0.6,28,0.8\na,2,nearest,20,0.7,28,0.8\n")
    (stages / "nr/a/b/scores/b.csv").write_text(SCORES + "b,1,nearest,33.333,0.95,28,0.8\n")
    (run / "results/datasets/a").mkdir(parents=True)
    rainy = "dataset,image,psnr_y_db,ssim_y,psnr_rgb_db,ssim_rgb\na,1,21,0.5,0,0\na,2,23,0.6,0,0\n"
    (run / "results/datasets/a/rainy.csv").write_text(rainy)
    write_records(run, first, "all.csv")
    write_records(run, theta, "a.csv", "b.csv")
    return network, theta
