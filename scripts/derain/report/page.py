"""results/report.html: tables and pictures of an experiment in one self-contained file."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray
from PIL import Image

from derain.continual import INDIVIDUAL
from derain.curriculum import GIVEN, JOINT
from derain.report.charts import strength_curves, theory_scatter

Pixels = NDArray[np.uint8]
ARROW = " → "
ROUNDING_NOTES = {
    "nearest": "outputs rounded to 8 bits",
    "truncate": "outputs truncated to 8 bits, as PReNet's authors did",
    "none": "outputs not rounded to 8 bits",
}


@dataclass(frozen=True)
class Picture:
    """An image of the page: what it shows, its pixels, its PSNR on Y in dB (None where there is no clean image)."""

    caption: str
    pixels: Pixels
    psnr_y_db: float | None

    @property
    def data_uri(self) -> str:
        """The picture inside the page."""
        buffer = io.BytesIO()
        Image.fromarray(self.pixels).save(buffer, "JPEG", quality=92, subsampling=0)
        return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


@dataclass(frozen=True)
class Row:
    """One test image, as rainy, as restored by each method, and clean."""

    dataset: str
    image: str
    pictures: Sequence[Picture]


def render(
    matrix: pd.DataFrame,
    continual: pd.DataFrame,
    rows: Sequence[Row],
    rounding: str = "nearest",
    strengths: pd.DataFrame | None = None,
    theory: pd.DataFrame | None = None,
    correlations: pd.DataFrame | None = None,
) -> str:
    """The page as HTML. matrix, continual: tables of derain.continual, of one rounding; rows: pictures, in the order of
    the page; strengths, theory, correlations: results/tables/strengths.csv, theory.csv and theory-correlations.csv, if
    made.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        summary=_summary(continual),
        matrices=_matrices(matrix),
        individual=_alone(matrix[(matrix["method"] == INDIVIDUAL) & (matrix["learned"] == matrix["dataset"])]),
        given=_alone(matrix[matrix["method"] == GIVEN]),
        rows=rows,
        rounding=ROUNDING_NOTES[rounding],
        strengths=None if strengths is None else strength_curves(strengths),
        theory=None if theory is None else theory_scatter(theory),
        correlations=[] if correlations is None else correlations.to_dict("records"),
    )


def _summary(continual: pd.DataFrame) -> list[dict[str, object]]:
    """One line for each method and order, in dB on Y: mean over seeds, ± standard deviation where there are several.

    The best average of an order is that of a method that learns one dataset after the other, so not that of joint.
    """
    on_y = continual[continual["metric"] == "psnr_y_db"]
    quantities = ["average", "forgetting", "bwt", "fwt"]
    runs = on_y.groupby(["network", "order", "method"], sort=False)[quantities]
    means, spreads = runs.mean(), runs.std()
    rivals = means["average"].where(means.index.get_level_values("method") != JOINT)
    best = rivals.groupby(["network", "order"]).transform("max")
    # Rows of one order stand together, in the order of the config.
    rows = [key for order in dict.fromkeys(on_y["order"]) for key in means.index if key[1] == order]
    return [
        {
            "network": key[0],
            "order": key[1].replace(">", ARROW),
            "method": key[2],
            "best": rivals[key] == best[key],
            **{name: _signed(means.loc[key, name], spreads.loc[key, name], name) for name in quantities},
        }
        for key in rows
    ]


def _signed(mean: float, spread: float, name: str) -> str:
    if np.isnan(mean):
        return "–"
    text = f"{mean:.2f}" if name == "average" else f"{mean:+.2f}".replace("-", "−")
    return text if np.isnan(spread) else f"{text} ± {spread:.2f}"


def _matrices(matrix: pd.DataFrame) -> list[dict[str, object]]:
    """R of each method and order as a heat map, mean over seeds; the colour is the gain over the rainy input."""
    found = []
    runs = matrix[matrix["order"].str.contains(">")]
    for (network, method, order), run in runs.groupby(["network", "method", "order"], sort=False):
        scores = run.pivot_table(index=["stage", "learned"], columns="dataset", values="psnr_y_db", sort=False)
        rainy = run.groupby("dataset")["rainy_psnr_y_db"].first()
        datasets = [*order.split(">"), *scores.columns.drop(order.split(">"))]
        found.append(
            {
                "network": network,
                "method": method,
                "order": order.replace(">", ARROW),
                "datasets": datasets,
                "rainy": [f"{rainy[name]:.2f}" for name in datasets],
                "lines": [
                    {
                        "learned": learned,
                        "cells": [_cell(scores.loc[(stage, learned), name], rainy[name]) for name in datasets],
                    }
                    for stage, learned in scores.index
                ],
            }
        )
    return found


def _cell(score: float, rainy: float) -> dict[str, object]:
    """A score, and how strongly its field is coloured: in percent, full at 12 dB above the rainy input."""
    return {
        "score": f"{score:.2f}",
        "gain": f"{score - rainy:+.2f}",
        "strength": round(np.clip((score - rainy) / 12, 0, 1) * 100),
    }


def _alone(rows: pd.DataFrame) -> list[dict[str, str]]:
    """Scores of single networks on single datasets, on Y; mean over seeds."""
    means = rows.groupby(["network", "dataset"], sort=False)[["rainy_psnr_y_db", "psnr_y_db"]].mean()
    return [
        {
            "network": network,
            "dataset": dataset,
            "rainy": f"{values['rainy_psnr_y_db']:.2f}",
            "score": f"{values['psnr_y_db']:.2f}",
            "gain": f"{values['psnr_y_db'] - values['rainy_psnr_y_db']:+.2f}",
        }
        for (network, dataset), values in means.iterrows()
    ]
