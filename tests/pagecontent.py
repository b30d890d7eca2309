"""Made-up results, as the page gets them: two datasets learned in both orders, one that is never learned, real rain."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from derain.evaluation.continual import tables_by_rounding
from derain.evaluation.correlations import correlations
from derain.evaluation.metrics import METRICS
from derain.report.content import Content
from derain.report.pictures import Output, cards, encoded
from derain.report.provenance import Provenance

METHODS = ("finetune", "nr")


class Pairs(list):
    """PackedPairs in memory."""

    def __init__(self, names, pairs):
        super().__init__(pairs)
        self.rows = [SimpleNamespace(name=name) for name in names]


def tables(a="a", b="b", other="far", methods=METHODS, network="net", seeds=(0, 1)):
    """The tables of results/tables, of random numbers that are the same each time; SSIM between 0 and 1."""
    rng = np.random.default_rng(0)
    orders = [[a, b], [b, a]]
    stages = [("first", a), ("first", b), ("joint", ">".join(sorted((a, b))))]
    past = [(method, ">".join(order)) for method in methods for order in orders]

    def number(metric):
        return round(rng.uniform(20, 35) if metric.startswith("psnr") else rng.uniform(0.5, 1), 6)

    scores = [
        {"network": network, "seed": seed, "method": m, "datasets": path, "dataset": dataset, "image": image}
        | {"rounding": "nearest"}
        | {metric: number(metric) for metric in METRICS}
        for seed in seeds
        for m, path in [*stages, *past]
        for dataset in (a, b, other)
        for image in ("1", "2")
    ]
    rainy = [
        {"dataset": dataset, "image": image} | {metric: number(metric) for metric in METRICS}
        for dataset in (a, b, other)
        for image in ("1", "2")
    ]
    scored = pd.DataFrame(scores)
    old_data = {network: {methods[-1]: {len(order): 1024 for order in orders}}}
    found = tables_by_rounding(scored, pd.DataFrame(rainy), ["nearest"], methods, orders, old_data)
    found["scores"] = scored
    place = {"network": network, "seed": seeds[0]}
    of_past = [place | {"method": m, "datasets": path} for m, path in past]
    of_first = [place | {"method": "first", "datasets": name} for name in (a, b)]
    steps = [{"step": step, "reconstruction": -step / 9, "validation_psnr_rgb_db": 20 + step} for step in (1, 2, 3)]
    found["training"] = pd.DataFrame(
        [stage | step | ({"penalty": 0.1} if stage["method"] == methods[-1] else {}) for stage in of_first + of_past
         for step in steps]
    )  # fmt: skip
    layers = ("conv.0", "conv.1")
    found["moves"] = pd.DataFrame(
        [s | {"layer": name, "relative_move": rng.random()} for s in of_past for name in layers]
    )
    omegas = [stage | {"importance": "gradient"} for stage in of_first]
    found["omega-layers"] = pd.DataFrame([s | {"layer": name, "weights": 9, "mean": 1, "share": 0.5}
                                          for s in omegas for name in layers])  # fmt: skip
    found["omega-distribution"] = pd.DataFrame(
        [s | {"log10_low": low, "log10_high": low + 1, "share": 0.5} for s in omegas for low in (-3, -2)]
    )
    found["omega-overlap"] = pd.DataFrame(
        [s | {"importance": "gradient", "earlier": a, "overlap": 0.25} for s in of_past if s["method"] == methods[-1]]
    )
    found["strengths"] = pd.DataFrame(
        [of_past[-1] | {"scale": scale, "validation_psnr_rgb_db": 25 - scale, "relative_move": 0.2 / (1 + scale),
                        "bound": 1, "chosen": scale == 1} for scale in (0, 1, 3)]
    )  # fmt: skip
    found["blends"] = pd.DataFrame(
        [of_past[0] | {"alpha": alpha, "validation_psnr_rgb_db": 25 + alpha, "relative_move": alpha / 5,
                       "rainy_psnr_rgb_db": 20, "chosen": alpha == 0.5} for alpha in (1, 0.5)]
    )  # fmt: skip
    found["theory"] = pd.DataFrame(
        [s | {"dataset": a, "loss_then": 1, "loss_now": 2, "change": 1 + n, "first_order": 0.5, "bound": 2.5}
         for n, s in enumerate(of_past)]
    )  # fmt: skip
    found["chord"] = pd.DataFrame(
        [{"network": network, "seed": seed, "method": methods[0], "datasets": path, "rounding": "nearest"}
         | {"importance": "-", "alpha": alpha, "line": True}
         | {f"{side}_{metric}": (27 if metric.startswith("psnr") else 0.7) * (1 + sign * 0.1 * alpha)
            for metric in METRICS for side, sign in (("old", -1), ("new", 1))}
         for seed in seeds for m, path in past if m == methods[0] for alpha in (0, 0.5, 1)]
    )  # fmt: skip
    found["theory-correlations"] = correlations(found["theory"])
    return found


def pictures(folder: Path, a="a", b="b", real="real", methods=METHODS, images=("1", "2", "3"), network="net"):
    """Cards of random pictures of 24 pixels: each method in each order, stage by stage."""
    rng = np.random.default_rng(1)

    def image():
        return rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)

    pairs = {name: Pairs(images, [(image(), image()) for _ in images]) for name in (a, b)}
    pairs[real] = Pairs(images[:1], [(image(), None)])
    rainy = {(name, each): 20.0 + n for name in (a, b) for n, each in enumerate(images)}
    keys = [f"{name}/{n}" for name, of in pairs.items() for n in range(len(of))]
    outputs = []
    for method in methods:
        for order in ([a, b], [b, a]):
            for n, learned in enumerate(order):
                file = folder / f"{len(outputs)}.npz"
                np.savez(file, **{key: image() for key in keys})
                psnr = {(name, each): 25.126 for name in (a, b) for each in images}
                run = (network, method)
                outputs.append(Output(method, run, ">".join(order), learned, n == 1, dict.fromkeys(keys, file), psnr))
    return encoded(cards(pairs, rainy, outputs, 3))[0]


def content(folder: Path, a="a", b="b", other="far", methods=METHODS, network="net", **more) -> Content:
    """A whole page's content."""
    image = more.pop("image", "1")
    found = pictures(folder, a, b, methods=methods, images=(image, "2", "3"), network=network)
    origin = Provenance(config="seeds: [0, 1]\n", datasets=[
        {"name": a, "splits": [{"split": "test", "digest": "0" * 64, "text": "2 pairs"}], "findings": [image]}
    ], versions={"Python": "3"})  # fmt: skip
    importances = {methods[-1]: "gradient"}
    return Content(
        tables(a, b, other, methods, network),
        rounding="nearest",
        importances=importances,
        cards=found,
        provenance=origin,
        **more,
    )
