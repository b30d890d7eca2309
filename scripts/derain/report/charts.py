"""The charts, as Vega-Lite: the page draws them, and the paper has them as SVG and PDF.

Colours of values are viridis; colours of names are Tol's "vibrant" ones, told apart by shapes as well. Lines and
letters take the colour of the text around them, so that one drawing serves light and dark pages. Parameters without a
widget (metric, order ...) are set by the switches of the page; a drawing on paper has their defaults.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from derain.curriculum import as_read
from derain.evaluation.metrics import METRICS

Chart = alt.Chart | alt.LayerChart | alt.FacetChart | alt.ConcatChart
# Tol's vibrant set, then some of his bright and muted ones, all of which show on light and dark. Colours are more than
# shapes, and not a multiple of them, so that 24 names look different.
COLOURS = ["#0077BB", "#EE7733", "#009988", "#CC3311", "#33BBEE", "#EE3377", "#AA8800", "#8877CC",
           "#228833", "#AA4499", "#CC6677", "#999933"]  # fmt: skip
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"]
GREY = "#888888"
NUMBERS_UP_TO = 8  # datasets: in larger matrices a cell has no room for its number
CONFIG: dict[str, Any] = {
    "font": "system-ui, Helvetica, Arial, sans-serif",
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "currentColor", "titleColor": "currentColor", "domainColor": GREY, "tickColor": GREY,
        "gridColor": GREY, "gridOpacity": 0.25, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal",
        "labelLimit": 150,
    },
    "header": {"labelColor": "currentColor", "titleColor": "currentColor", "labelFontSize": 13, "labelFontWeight": 600},
    "legend": {"labelColor": "currentColor", "titleColor": "currentColor", "titleFontWeight": "normal",
        "labelLimit": 220},
    "title": {"color": "currentColor"},
}  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A chart, and what it shows, in words."""

    name: str
    alt: str
    chart: Chart

    @property
    def specification(self) -> dict[str, Any]:
        """Vega-Lite, with data."""
        chart = self.chart.properties(description=self.alt).configure(**CONFIG)
        found: dict[str, Any] = chart.to_dict()
        return found

    @property
    def on_paper(self) -> dict[str, Any]:
        """The same on white, in black, with room at the sides for viewers whose font is wider than ours."""
        found: dict[str, Any] = json.loads(json.dumps(self.specification).replace('"currentColor"', '"black"'))
        return found | {"background": "white", "padding": {"left": 24, "right": 24, "top": 5, "bottom": 5}}


def _data(table: pd.DataFrame) -> alt.InlineData:
    """A table inside a chart. As CSV it takes a third of the bytes that records would; names stay text."""
    kinds = {name: "number" if pd.api.types.is_numeric_dtype(table[name]) else "string" for name in table}
    text = table.to_csv(index=False, float_format="%.8g", lineterminator="\n")
    return alt.InlineData(values=text, format=alt.CsvDataFormat(type="csv", parse=kinds))


def _chart(table: pd.DataFrame, **chosen: Any) -> alt.Chart:
    """A chart of the rows whose columns have the chosen values, which the page's switches change."""
    found = alt.Chart(_data(table))
    for name, value in chosen.items():
        found = found.add_params(alt.param(name=name, value=value)).transform_filter(f"datum.{name} === {name}")
    return found


def _over(rows: alt.Chart, marks: Chart) -> Chart:
    """Marks that were made without data, on the rows of a chart: its data stand in the drawing once, and what is
    computed of them is computed over all panels.
    """
    marks.data, marks.transform, marks.params = rows.data, rows.transform, rows.params
    return marks


def _colour(names: Sequence[str], title: str, field: str) -> dict[str, Any]:
    """Colour and shape of a name, the same in every chart of the same names."""
    colours = [COLOURS[n % len(COLOURS)] for n in range(len(names))]
    shapes = [SHAPES[n % len(SHAPES)] for n in range(len(names))]
    return {
        "color": alt.Color(f"{field}:N", title=title).scale(domain=list(names), range=colours),
        "shape": alt.Shape(f"{field}:N", title=title).scale(domain=list(names), range=shapes),
    }


def _of_metric(chart: alt.Chart) -> alt.Chart:
    """Rows with the chosen metric as `value`, and as text."""
    return (
        chart.add_params(alt.param(name="metric", value=METRICS[0]))
        .transform_calculate(value="datum[metric]")
        .transform_calculate(digits="indexof(metric, 'ssim') < 0 ? '.2f' : '.4f'")
    )


def matrix(rows: pd.DataFrame, chosen: Mapping[str, Any]) -> Chart:
    """R as heat maps, one a method. rows: of chartdata.matrix."""
    many = rows["dataset"].nunique() > NUMBERS_UP_TO
    base = _of_metric(_chart(rows, **chosen)).add_params(alt.param(name="view", value="score"))
    shown = (
        base.transform_calculate(
            own="datum.stage === datum.position + 1 ? datum.value : null",
            start="datum.stage === 0 ? datum.value : null",
        )
        .transform_joinaggregate(learned="max(own)", rainy="max(start)", groupby=["method", "dataset"])
        .transform_filter("view === 'score' || (view === 'gain' ? datum.stage > 0 : datum.stage > datum.position)")
        .transform_calculate(
            shown="datum.value - (view === 'gain' ? datum.rainy : view === 'change' ? datum.learned : 0)"
        )
        .transform_filter("isValid(datum.shown) && isFinite(datum.shown)")
        .transform_joinaggregate(low="min(shown)", high="max(shown)")
        .transform_calculate(
            text="format(datum.shown, (view === 'score' ? '' : '+') + datum.digits)",
            light="(datum.shown - datum.low) / max(datum.high - datum.low, 1e-9)",
        )
    )
    marks = alt.Chart().encode(
        x=alt.X("dataset:N", title=None, sort=alt.EncodingSortField("position", "min")).axis(
            labelAngle=-90 if many else 0, domain=False, ticks=False
        ),
        y=alt.Y("after:N", title=None, sort=alt.EncodingSortField("stage", "min")).axis(domain=False, ticks=False),
        tooltip=[
            alt.Tooltip("method:N"),
            alt.Tooltip("after:N"),
            alt.Tooltip("dataset:N", title="scored on"),
            alt.Tooltip("text:N", title="shown"),
            *(
                alt.Tooltip(f"{metric}:Q", title=title, format=form)
                for metric, title, form in zip(
                    METRICS,
                    ("PSNR Y, dB", "SSIM Y", "PSNR RGB, dB", "SSIM RGB"),
                    (".2f", ".4f", ".2f", ".4f"),
                    strict=True,
                )
            ),
            alt.Tooltip("images:Q"),
        ],
    )
    cells = marks.mark_rect(cornerRadius=3, stroke="transparent", strokeWidth=2).encode(
        color=alt.Color("shown:Q", title=None).scale(scheme="viridis", zero=False),
    )
    numbers = marks.mark_text(fontSize=12).encode(
        text="text:N", color=alt.condition("datum.light > 0.6", alt.value("black"), alt.value("white"))
    )
    step = 22 if many else 64
    panel = alt.layer(cells) if many else alt.layer(cells, numbers)
    panel = panel.properties(width=alt.Step(step), height=alt.Step(22 if many else 34))
    methods = list(dict.fromkeys(rows["method"]))
    return _over(
        shown, panel.facet(alt.Facet("method:N", title=None, sort=methods), data=shown.data, columns=3, spacing=24)
    )


def curves(rows: pd.DataFrame, chosen: Mapping[str, Any]) -> Chart:
    """Each dataset's score over the stages, one line a method. rows: of chartdata.matrix."""
    methods = list(dict.fromkeys(rows["method"]))
    base = _of_metric(_chart(rows, **chosen)).transform_calculate(text="format(datum.value, datum.digits)")
    encoded = (
        alt.Chart()
        .transform_filter("datum.stage > 0")
        .encode(
            x=alt.X("after:N", title=None, sort=alt.EncodingSortField("stage", "min")).axis(labelAngle=-20),
            y=alt.Y("value:Q", title=None).scale(zero=False),
            **_colour(methods, "method", "method"),
            tooltip=["method:N", "dataset:N", "after:N", alt.Tooltip("text:N", title="score")],
        )
    )
    lines = encoded.mark_line(strokeWidth=1.8)
    points = encoded.mark_point(filled=True).encode(
        size=alt.condition("datum.stage === datum.position + 1", alt.value(130), alt.value(40))
    )
    rainy = (
        alt.Chart()
        .transform_filter("datum.stage === 0")
        .mark_rule(strokeDash=[3, 3], color=GREY)
        .encode(y=alt.Y("value:Q").aggregate("mean"))
    )
    panel = alt.layer(rainy, lines, points).properties(width=230, height=180)
    datasets = alt.Facet("dataset:N", title=None, sort=alt.EncodingSortField("position", "min"))
    return _over(base, panel.facet(datasets, data=base.data, columns=3, spacing=24))


def orders(rows: pd.DataFrame, chosen: Mapping[str, Any]) -> Chart:
    """Mean, worst and spread over orders of each method. rows: of chartdata.continual."""
    base = alt.Chart().encode(
        y=alt.Y("method:N", title=None, sort=list(dict.fromkeys(rows["method"]))),
        x=alt.X("value:Q", title=None).scale(zero=False),
    )
    spread = base.mark_rule(strokeWidth=4, opacity=0.3, color=COLOURS[0]).encode(
        x=alt.X("value:Q").aggregate("min"), x2=alt.X2("value:Q").aggregate("max")
    )
    each = base.mark_tick(thickness=2, size=16, color=COLOURS[0]).encode(
        tooltip=["method:N", "order:N", alt.Tooltip("quantity:N"), alt.Tooltip("value:Q", format=".4~f")]
    )
    mean = base.mark_point(filled=True, size=90, color=COLOURS[1], opacity=1).encode(
        x=alt.X("value:Q").aggregate("mean"),
        tooltip=["method:N", "quantity:N", alt.Tooltip("value:Q", aggregate="mean", title="mean", format=".4~f")],
    )
    panel = alt.layer(spread, each, mean).properties(width=230, height=alt.Step(26))
    facets = alt.Facet("quantity:N", title=None, sort=list(dict.fromkeys(rows["quantity"])))
    base = _chart(rows, metric=METRICS[0], **chosen)
    return _over(base, panel.facet(facets, data=base.data, columns=3, spacing=24).resolve_scale(x="independent"))


def training(rows: pd.DataFrame, chosen: Mapping[str, Any]) -> Chart:
    """The terms of the loss along a sequence, apart. rows: of chartdata.training."""
    titles = {
        "reconstruction": "training loss",
        "penalty": "penalty × strength",
        "distillation": "distillation × strength",
        "validation_psnr_rgb_db": "validation PSNR on RGB, dB",
    }
    methods = list(dict.fromkeys(rows["method"]))
    last = int(rows["stage"].max())
    panels = []
    for term in (name for name in titles if name in rows and rows[name].notna().any()):
        lines = (
            alt.Chart()
            .transform_filter(f"isValid(datum.{term})")
            .mark_line(strokeWidth=1.5, point=alt.OverlayMarkDef(size=14) if term.startswith("validation") else False)
            .encode(
                x=alt.X("progress:Q", title="stages learned")
                .axis(values=list(range(last + 1)), format="d")
                .scale(domain=[0, last]),
                y=alt.Y(f"{term}:Q", title=None).scale(zero=False),
                color=_colour(methods, "method", "method")["color"],
                detail="stage:N",
                tooltip=["method:N", "dataset:N", "step:Q", alt.Tooltip(f"{term}:Q", format=".4~f")],
            )
        )
        panels.append(
            lines.properties(width=330, height=140, title=alt.Title(titles[term], anchor="start", fontSize=12))
        )
    return _over(_chart(rows, **chosen), alt.concat(*panels, columns=2, spacing=20))


def _stage_names(table: pd.DataFrame) -> pd.Series:
    return table["method"] + ": " + table["datasets"].map(as_read)


def strengths(table: pd.DataFrame, value: str = "scale_text") -> Chart:
    """What each candidate strength leaves of plasticity; the chosen one is filled. table: tables/strengths.csv.

    value: "scale_text", or "relative_move", for the trade-off with how far the weights moved.
    """
    table = table.assign(
        stage=_stage_names(table), scale_text=table["scale"].map("{:g}".format), chosen=table["chosen"].astype(int)
    )
    scales = [f"{scale:g}" for scale in sorted(table["scale"].unique())]
    x = {
        "scale_text": alt.X("scale_text:O", sort=scales, title="scale of the strengths").axis(labelAngle=0),
        "relative_move": alt.X("relative_move:Q", title="how far the weights moved, ‖θ − θⁿ‖/‖θⁿ‖"),
    }[value]
    names = list(dict.fromkeys(table["stage"]))
    kept = ["stage", "seed", "scale", "scale_text", "relative_move", "validation_psnr_rgb_db", "chosen"]
    base = alt.Chart().encode(
        x=x,
        y=alt.Y("validation_psnr_rgb_db:Q", title="validation PSNR of the new dataset, dB").scale(zero=False),
        color=_colour(names, "stage", "stage")["color"],
        detail="seed:N",
        tooltip=["stage:N", "seed:N", "scale:Q", alt.Tooltip("validation_psnr_rgb_db:Q", format=".2f"),
                 alt.Tooltip("relative_move:Q", format=".3f")],
    )  # fmt: skip
    lines = base.mark_line().encode(order="scale:Q")
    every, taken = base.mark_point(size=50), base.transform_filter("datum.chosen > 0").mark_point(filled=True, size=130)
    return alt.layer(lines, every, taken, data=_data(table[kept])).properties(width=300, height=220)


def theory(table: pd.DataFrame) -> Chart:
    """The change of each old loss against its first-order estimate and its bound, on logarithmic axes.

    table: tables/theory.csv. A point is a stage and an earlier dataset; on the line they are equal.
    """
    predictors = {"first_order": "first-order estimate |∇LᵀΔ|", "bound": "bound Σ Ω|Δ|"}
    long = table.rename(columns=predictors).melt(
        ["network", "seed", "method", "datasets", "dataset", "change"], list(predictors.values()), var_name="predictor"
    )
    long = long.assign(
        change=long["change"].abs().clip(lower=1e-6),
        value=long["value"].abs().clip(lower=1e-6),
        sequence=long.pop("datasets").map(as_read),
    )
    low = float(min(long["change"].min(), long["value"].min()))
    high = float(max(long["change"].max(), long["value"].max()))
    axis = alt.Scale(type="log", domain=[low, high])
    points = (
        alt.Chart()
        .mark_point(filled=True, size=70, opacity=0.85)
        .encode(
            x=alt.X("value:Q", title="predicted change of the loss", scale=axis).axis(format="~g", tickCount=5),
            y=alt.Y("change:Q", title="actual |change|", scale=axis).axis(format="~g", tickCount=5),
            **_colour(list(dict.fromkeys(long["method"])), "method", "method"),
            tooltip=["method:N", "sequence:N", alt.Tooltip("dataset:N", title="loss of"),
                     alt.Tooltip("value:Q", title="predicted", format=".3~g"),
                     alt.Tooltip("change:Q", title="actual", format=".3~g")],
        )
    )  # fmt: skip
    equality = (
        alt.Chart()
        .mark_rule(strokeDash=[4, 4], color=GREY)
        .encode(x=alt.datum(low), y=alt.datum(low), x2=alt.datum(high), y2=alt.datum(high))
    )
    panel = alt.layer(points, equality, data=_data(long)).properties(width=270, height=270)
    return panel.facet(alt.Facet("predictor:N", title=None, sort=list(predictors.values())), columns=2)


def layers(rows: pd.DataFrame, chosen: Mapping[str, Any], value: str, title: str, names: str) -> Chart:
    """A value of each layer, as points in lanes. names: the column whose values have colours of their own."""
    kept = [*dict.fromkeys(["network", "method", "order", "dataset", "stage", "layer", value, *chosen])]
    encoded = _chart(rows[kept], **chosen).encode(
        x=alt.X(f"{value}:Q", title=title),
        y=alt.Y("layer:N", title=None, sort=list(dict.fromkeys(rows["layer"]))).axis(grid=True),
        **_colour(list(dict.fromkeys(rows[names])), names, names),
        tooltip=[
            "layer:N",
            "method:N",
            alt.Tooltip("dataset:N", title="learned"),
            alt.Tooltip(f"{value}:Q", format=".3~g"),
        ],
    )
    return encoded.mark_point(filled=True, size=60, opacity=0.85).properties(width=330, height=alt.Step(17))


def distribution(rows: pd.DataFrame, chosen: Mapping[str, Any]) -> Chart:
    """The share of weights by log10 Ω, a line for each dataset. rows: of the histogram of derain.evaluation.layers."""
    kept = [*dict.fromkeys(["network", "method", "order", "dataset", "log10_low", "share", *chosen])]
    encoded = _chart(rows[kept], **chosen).encode(
        x=alt.X("log10_low:Q", title="log₁₀ Ω"),
        y=alt.Y("share:Q", title="share of all weights").axis(format="%"),
        color=_colour(list(dict.fromkeys(rows["dataset"])), "dataset", "dataset")["color"],
        tooltip=["dataset:N", "log10_low:Q", alt.Tooltip("share:Q", format=".2%")],
    )
    return encoded.mark_line(interpolate="step-after", strokeWidth=1.8).properties(width=330, height=200)


def overlap(rows: pd.DataFrame, chosen: Mapping[str, Any]) -> Chart:
    """Which share of the most important weights of one dataset are those of another, as a heat map."""
    base = alt.Chart().encode(
        x=alt.X("dataset:N", title="Ω of the later dataset").axis(
            orient="top", labelAngle=0, domain=False, ticks=False
        ),
        y=alt.Y("earlier:N", title="of the earlier one").axis(domain=False, ticks=False),
        tooltip=["method:N", "earlier:N", "dataset:N", alt.Tooltip("overlap:Q", format=".1%")],
    )
    cells = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color("overlap:Q", title=None).scale(scheme="viridis", domain=[0, 1]).legend(format="%")
    )
    numbers = base.mark_text(fontSize=12).encode(
        text=alt.Text("overlap:Q", format=".0%"),
        color=alt.condition("datum.overlap > 0.6", alt.value("black"), alt.value("white")),
    )
    return _over(_chart(rows, **chosen), alt.layer(cells, numbers).properties(width=alt.Step(64), height=alt.Step(34)))
