"""results/report.html: tables, charts and pictures of an experiment in one self-contained file.

Its content security policy forbids the page to load anything from elsewhere.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from shlex import quote
from typing import Any

import pandas as pd
import vl_convert

from derain.curriculum import GIVEN, INDIVIDUAL, as_read
from derain.evaluation.metrics import FULL_SIZE, METRICS, WANG2009
from derain.report.assets import policy, templates, text_of
from derain.report.content import Content, Theta
from derain.report.figures import Figures
from derain.report.pictures import Card
from derain.report.vega import Figure
from derain.report.verdict import verdict
from derain.report.wording import alarms, learned, lines, marked, plain, quantity, sentences, signed

ROUNDING_NOTES = {
    "nearest": "outputs rounded to 8 bits",
    "truncate": "outputs truncated to 8 bits, as PReNet's authors did",
    "none": "outputs not rounded to 8 bits",
}
SSIM_NOTES = {
    WANG2009: "images whose shorter side has 384 pixels or more are shrunk first, as in Wang's ssim.m of 2009 "
    "(evaluation.ssim: wang2009)",
    FULL_SIZE: "images of every size as they are, as in Wang's ssim_index.m of 2003 (evaluation.ssim: full_size)",
}
METRIC_NAMES = dict(zip(METRICS, ("PSNR on Y", "SSIM on Y", "PSNR on RGB", "SSIM on RGB"), strict=True))
FROM_GIVEN = "from given weights"
OF_ORDERS, OF_NETWORKS = "What was kept, what was lost", "Scores of networks"  # titles, with and without orders
# Columns of the table of all orders: the name of the quantity in the tables, its title, and its entry among the terms.
QUANTITIES = {
    "average": ("average", "average"),
    "forgetting": ("forgetting", "forgetting"),
    "new_task_gain": ("gain of new", "gain"),
    "bwt": ("BWT", "bwt"),
    "fwt": ("FWT", "fwt"),
    "intransigence_individual": ("intransigence to individual", "intransigence"),
    "intransigence_joint": ("intransigence to joint", "intransigence"),
}
VIEWS = {"score": "score", "gain": "gain over the rainy input", "change": "change since learned"}


def render(content: Content) -> str:
    """Return the page as HTML."""
    matrix, continual = (content.tables[name] for name in ("matrix", "continual"))
    figures = Figures(content.tables, content.importances, content.titles, content.learned, content.seed)
    drawn = list(figures.on_page())
    judged = verdict(content.tables)
    known = _known(continual)
    scripts = [_vega(), text_of("slider.js") + text_of("page.js")]
    classes = {theta.network: theta.place for theta in content.thetas if theta.place}
    environment = templates()
    environment.filters |= {"arrows": as_read, "decibels": plain}
    return environment.get_template("page.html.j2").render(
        content=content,
        policy=policy(scripts),
        title=OF_ORDERS if figures.orders else OF_NETWORKS,
        style=text_of("page.css"),
        scripts=scripts,
        specifications=_json(_specifications(drawn)),
        figures=drawn,
        sentences=sentences(judged),
        alarms=alarms(matrix),
        marked=marked(matrix),
        best=_best(judged, content.cards),
        pictured={shown.order for card in content.cards for shown in card.pictures} & {*figures.orders},
        verdict=lines(judged),
        started=dict.fromkeys(content.started, FROM_GIVEN),
        quantities=[QUANTITIES[name] for name in known],
        unlike="datasets" in judged,
        chord="above_chord" in judged,
        networks=sorted(set(judged["network"]), key=list(judged["network"]).index),
        seeds=continual["seed"].nunique(),
        switches=_switches(figures),
        orders=figures.orders,
        continual=_continual(continual, known),
        matrices=_matrices(matrix, content.learned),
        individual=_alone(
            matrix[(matrix["method"] == INDIVIDUAL) & (matrix["learned"] == matrix["dataset"])],
            content.learned,
            content.started,
        ),
        given=_alone(matrix[matrix["method"] == GIVEN], {}, ()),
        example=_example(judged, content.thetas),
        classes=classes,
        learned=learned,
        correlations=_records(content.tables.get("theory-correlations")),
        rounding=ROUNDING_NOTES[content.rounding],
        ssim=SSIM_NOTES[content.ssim],
        first=_First(),
    )


@cache
def _vega() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, which sets `window.vegaEmbed`."""
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle


def _best(judged: pd.DataFrame, cards: Sequence[Card]) -> tuple[str, str] | None:
    """Return the run whose pictures are compared with the rainy ones at first; None if there is none."""
    runs = {picture.run for card in cards for picture in card.pictures}
    best = ((row.network, row.method) for row in judged[judged["best_average"]].itertuples())
    return next((run for run in best if run in runs), None)


def _example(judged: pd.DataFrame, thetas: Sequence[Theta]) -> str:
    """Return options that name a finished network of the method with the best average; empty if none is finished."""
    best = {(row.network, row.method) for row in judged[judged["best_average"]].itertuples()}
    final = [theta for theta in thetas if theta.final]
    found = [theta for theta in final if (theta.network, theta.method) in best] or final
    if not found:
        return ""
    backbone = f"--backbone {quote(found[0].place)} " if found[0].place else ""
    return f"{backbone}--network {quote(found[0].file)}"


def _specifications(figures: Sequence[Figure]) -> dict[str, Any]:
    """Return the Vega-Lite specifications and, apart from them, their data by name: several charts share data."""
    drawings: list[dict[str, Any]] = []
    datasets: dict[str, Any] = {}
    for figure in figures:
        specification = figure.specification
        datasets |= specification.pop("datasets")
        drawings.append({"name": figure.name, "specification": specification})
    return {"drawings": drawings, "datasets": datasets}


def _json(value: Any) -> str:
    """Return JSON for a script element; "<" is escaped, so that no text can close the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


class _First:
    """For a data URI: whether it is new on the page, and the id by which later copies refer to the first."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def __call__(self, uri: str) -> tuple[bool, str]:
        new = uri not in self.seen
        return new, self.seen.setdefault(uri, f"picture{len(self.seen)}")


def _switches(figures: Figures) -> dict[str, list[tuple[str, str]]]:
    """Return the options of each switch as (JSON value, text)."""
    found: dict[str, Iterable[tuple[object, str]]] = {
        "network": [(name, name) for name in figures.networks],
        "order": [(n, as_read(order)) for n, order in enumerate(figures.orders)],
        "seed": [(seed, seed if seed == "mean" else f"seed {seed}") for seed in figures.seeds],
        "metric": METRIC_NAMES.items(),
        "view": VIEWS.items(),
        "method": [(name, name) for name in figures.penalised],
    }
    return {name: [(json.dumps(value), text) for value, text in options] for name, options in found.items()}


def _records(table: pd.DataFrame | None) -> list[dict[Any, Any]]:
    return [] if table is None else table.to_dict("records")


def _known(continual: pd.DataFrame) -> list[str]:
    """Return the QUANTITIES that any row of the table of all orders has."""
    on_y = continual[continual["metric"] == "psnr_y_db"]
    return [name for name in QUANTITIES if on_y[name].notna().any()]


def _continual(continual: pd.DataFrame, known: Sequence[str]) -> list[dict[str, object]]:
    """Return one line for each order, network and method: PSNR on Y in dB, mean over seeds. known: of QUANTITIES."""
    on_y = continual[continual["metric"] == "psnr_y_db"]
    means = on_y.groupby(["network", "order", "method"], sort=False)[list(known)].mean()
    rows = [key for order in dict.fromkeys(on_y["order"]) for key in means.index if key[1] == order]
    return [
        {
            "network": key[0],
            "order": as_read(key[1]),
            "method": key[2],
            "values": [quantity(means.loc[key, name], name) for name in known],
        }
        for key in rows
    ]


def _matrices(matrix: pd.DataFrame, given: Mapping[str, Sequence[str]]) -> list[dict[str, object]]:
    """Return R of each method and order as text, PSNR on Y in dB, mean over seeds, each number with a flag: whether it
    is below that of the rainy input. given: as `Content.learned`.
    """
    found = []
    runs = matrix[matrix["order"].str.contains(">")]
    for (network, method, order), run in runs.groupby(["network", "method", "order"], sort=False):
        scores = run.pivot_table(index=["stage", "learned"], columns="dataset", values="psnr_y_db", sort=False)
        rainy = run.groupby("dataset")["rainy_psnr_y_db"].first()
        learned = order.split(">")
        datasets = [name for name in dict.fromkeys([*learned, *scores.columns]) if name in scores.columns]
        found.append(
            {
                "network": network,
                "method": method,
                "order": as_read(order),
                "datasets": datasets,
                "rainy": [f"{rainy[name]:.2f}" for name in datasets],
                "lines": [
                    (
                        f"{', '.join(given[network])} (given)" if key[0] == len(given.get(network, ())) else key[1],
                        [(f"{scores.loc[key, name]:.2f}", scores.loc[key, name] < rainy[name]) for name in datasets],
                    )
                    for key in scores.index
                ],
            }
        )
    return found


def _alone(
    rows: pd.DataFrame, learned: Mapping[str, Sequence[str]], started: Collection[str]
) -> list[dict[str, str | bool]]:
    """Return PSNR on Y in dB and SSIM on Y of single networks on single datasets, mean over seeds.

    learned, started: as in Content.
    """
    shown = ["rainy_psnr_y_db", "psnr_y_db", "rainy_ssim_y", "ssim_y"]
    means = rows.groupby(["network", "dataset"], sort=False)[shown].mean()
    return [
        {
            "network": network,
            "origin": "given" if dataset in learned.get(network, ()) else FROM_GIVEN if network in started else "",
            "dataset": dataset,
            "rainy": f"{row['rainy_psnr_y_db']:.2f}",
            "score": f"{row['psnr_y_db']:.2f}",
            "gain": signed(row["psnr_y_db"] - row["rainy_psnr_y_db"]),
            "harm": bool(row["psnr_y_db"] < row["rainy_psnr_y_db"]),
            "rainy_ssim": f"{row['rainy_ssim_y']:.4f}",
            "ssim": f"{row['ssim_y']:.4f}",
        }
        for (network, dataset), row in means.iterrows()
    ]
